"""What each method learns: the same loss and gradients as a plain reference, and the same end after a pause."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gpu.engine import inversion
from gpu.engine.catalogue import ATTENTION
from gpu.engine.contract import StyleWeight, TrainLoraSpec
from gpu.engine.dataset import Reference, draws
from gpu.engine.failures import Failure
from gpu.engine.inversion import Vectors
from gpu.engine.lora import Mixer, Trainable
from gpu.engine.memory import Plan
from gpu.engine.models import Base, load
from gpu.engine.pipelines.painting import paint
from gpu.engine.prompts import Prompt
from gpu.engine.train_lora import blocks
from gpu.engine.train_lora import material as materials
from gpu.engine.train_lora.material import gather
from gpu.engine.train_lora.session import Session, expect, open_session
from gpu.engine.train_lora.step import gradients
from tests.engine.makers import RECIPE, Heard, same, train, training_spec, weights_of

DREAMBOOTH = {"method": "dreambooth", "class_prompt": "a picture", "prior_images": 2, "prior_weight": 0.5}
INVERSION = {"method": "textual_inversion", "vectors": 3, "class_prompt": "a fox", "learning_rate": 5e-3}

pytestmark = pytest.mark.usefixtures("unjudged")


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


def opened(base: Base, spec: TrainLoraSpec) -> Session:
    session = open_session(spec, base, Mixer(base), Heard().report)
    expect(session)
    return session


def wake(learner: Any) -> None:
    """As it is after some steps: with weights everywhere, so that everything has a gradient."""
    generator = torch.Generator().manual_seed(5)
    for parameter in learner.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)


# --- a plain reference: one picture at a time, every formula written out ---


def plain_loss(
    base: Base,
    spec: TrainLoraSpec,
    references: list[Reference],
    empty: Prompt,
    *,
    name: str,
    dropout: float,
    embed: Callable[[str], Prompt] | None = None,
) -> Tensor:
    """The mean over the pictures of weight × mean squared error, as a plain trainer computes it."""
    kept = base.scheduler().alphas_cumprod
    generator = draws(spec.seed, name, 1)
    seen = []
    for reference in references:
        dropped = torch.rand((), generator=generator).item() < dropout
        variant = int(torch.randint(len(reference.mean), (), generator=generator))
        seen.append((reference, reference.mean[variant], dropped))
    sizes = list(dict.fromkeys(reference.size for reference, _, _ in seen))
    losses = []
    for size in sizes:  # the trainer takes one size after the other
        for reference, clean, dropped in (one for one in seen if one[0].size == size):
            noise = torch.randn(clean.shape, generator=generator)
            at = int(torch.randint(len(kept), (1,), generator=generator))
            signal, spread = kept[at].sqrt(), (1 - kept[at]).sqrt()
            prompt = empty if dropped else (embed(reference.text) if embed else reference.prompt)
            predicted = base.unet(
                (signal * clean + spread * noise)[None],
                at,
                prompt.tokens,
                added_cond_kwargs={"text_embeds": prompt.pooled, "time_ids": base.time_ids(*size)},
            ).sample[0]
            snr = kept[at] / (1 - kept[at])
            weight = max(min(float(snr), spec.min_snr_gamma) / (float(snr) + 1), 0.1)  # the tiny base predicts velocity
            target = signal * noise - spread * clean
            losses.append(weight * torch.nn.functional.mse_loss(predicted, target))
    return torch.stack(losses).mean()


class PlainLora(nn.Module):
    """A frozen layer with a low-rank one beside it, as a wrapper in the model's own tree."""

    def __init__(self, layer: nn.Linear, down: Tensor, up: Tensor, scale: float) -> None:
        super().__init__()
        self.layer, self.scale = layer, scale
        self.down, self.up = nn.Parameter(down.clone()), nn.Parameter(up.clone())

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs) + self.scale * inputs @ self.down.T @ self.up.T


def wrapped(base: Base, lora: Trainable) -> dict[str, PlainLora]:
    """The base with plain layers in place of the trained ones, which hold the same weights."""
    layers = {}
    for name, layer in lora.layers().items():
        path, last = name.removeprefix("unet.").rsplit(".", 1)
        parent = base.unet.get_submodule(path)
        layers[name] = PlainLora(getattr(parent, last), layer.down, layer.up, layer.scale)
        setattr(parent, last, layers[name])
    return layers


@pytest.mark.parametrize("method", [{}, DREAMBOOTH], ids=["lora", "dreambooth"])
def test_loss_and_gradients_are_those_of_a_plain_trainer(
    tiny_base: Path, tmp_path: Path, paintings: list[Path], method: dict[str, Any]
) -> None:
    base = load(str(tiny_base), "cpu")
    # the plain layers above are linear ones
    base.facts = replace(base.facts, training=replace(base.facts.training, targets=ATTENTION))
    spec = training_spec(base.facts.name, tmp_path, paintings, caption_dropout=0.5, **method)
    session = opened(base, spec)
    material = gather(session)
    wake(session.learner)
    chosen = material.learned[:4]
    loss = gradients(session, chosen, material.prior, material.empty, of="step", step=1)
    assert isinstance(session.learner, Trainable)
    ours = {name: (session.learner.down[name].grad, session.learner.up[name].grad) for name in session.learner.down}

    layers = wrapped(base, session.learner)
    expected = plain_loss(base, spec, chosen, material.empty, name="step", dropout=0.5)
    if material.prior:
        prior = plain_loss(base, spec, material.prior, material.empty, name="class step", dropout=0)
        expected = expected + 0.5 * prior
    expected.backward()

    assert loss == pytest.approx(expected.item(), rel=1e-5)
    for name, (down, up) in ours.items():
        torch.testing.assert_close(down, layers[name].down.grad, rtol=1e-3, atol=1e-7)
        torch.testing.assert_close(up, layers[name].up.grad, rtol=1e-3, atol=1e-7)


def with_new_tokens(base: Base, vectors: Sequence[Tensor]) -> tuple[list[nn.Module], Callable[[str], Prompt]]:
    """Encoders with a row more in their tables for each vector, and prompts that end with those new tokens."""
    encoders = [copy.deepcopy(encoder) for encoder in base.text_encoders]
    for encoder, rows in zip(encoders, vectors, strict=True):
        table = encoder.get_input_embeddings().weight
        encoder.get_input_embeddings().weight = nn.Parameter(torch.cat([table, rows.detach()]))

    def embed(text: str) -> Prompt:
        before, _, _ = text.rpartition("zorli")
        hidden, pooled = [], None
        for tokenizer, encoder, rows in zip(base.tokenizers, encoders, vectors, strict=True):
            size = len(encoder.get_input_embeddings().weight)
            new = list(range(size - len(rows), size))
            ids = [tokenizer.bos_token_id, *tokenizer(before, add_special_tokens=False).input_ids, *new]
            ids += [tokenizer.eos_token_id] * (tokenizer.model_max_length - len(ids))
            output = encoder(torch.tensor([ids]), output_hidden_states=True)
            hidden.append(output.hidden_states[-2])
            pooled = getattr(output, "text_embeds", pooled)
        assert pooled is not None
        return Prompt(tokens=torch.cat(hidden, dim=-1), pooled=pooled)

    return encoders, embed


def test_a_learned_word_has_the_gradients_of_new_tokens_in_the_encoders_tables(
    base: Base, tmp_path: Path, paintings: list[Path]
) -> None:
    spec = training_spec(base.facts.name, tmp_path, paintings, **INVERSION)
    session = opened(base, spec)
    material = gather(session)
    wake(session.learner)
    assert isinstance(session.learner, Vectors)
    loss = gradients(session, material.learned[:3], [], material.empty, of="step", step=1)

    encoders, embed = with_new_tokens(base, session.learner.vectors)
    expected = plain_loss(base, spec, material.learned[:3], material.empty, name="step", dropout=0, embed=embed)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    for vectors, encoder in zip(session.learner.vectors, encoders, strict=True):
        table = encoder.get_input_embeddings().weight
        assert vectors.grad is not None
        assert vectors.grad.abs().max() > 0
        torch.testing.assert_close(vectors.grad, table.grad[-3:], rtol=1e-3, atol=1e-8)


def test_a_learned_word_stands_where_its_tokens_would(base: Base) -> None:
    """Vectors that are the embeddings of a text's own tokens embed as that text does."""
    learner = Vectors(base, word="zorli", number=3, like="fox")
    learner.attach()
    learned = base.prompt("a zorli.")
    learner.detach()
    plain = base.prompt("a fox.")
    torch.testing.assert_close(learned.tokens, plain.tokens, rtol=1e-4, atol=1e-5)
    assert base.prompt("a zorli.").tokens.shape == plain.tokens.shape
    assert not torch.allclose(base.prompt("a zorli.").tokens, plain.tokens)


def test_small_pieces_of_a_batch_give_the_gradients_of_the_whole(
    base: Base, tmp_path: Path, paintings: list[Path]
) -> None:
    spec = training_spec(base.facts.name, tmp_path, paintings, batch=8, caption_dropout=0.3)
    found = []
    for pieces in (8, 3, 1):
        base.adopt(Plan(micro_batch=pieces))
        session = opened(base, spec)
        material = gather(session)
        wake(session.learner)
        loss = gradients(session, material.learned, [], material.empty, of="step", step=1)
        found.append((loss, [parameter.grad for parameter in session.learner.parameters()]))
    base.adopt(Plan())
    whole, *others = found
    for loss, grads in others:
        assert loss == pytest.approx(whole[0], rel=1e-5)
        for own, other in zip(grads, whole[1], strict=True):
            torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("how", ["some", "all"])
def test_blocks_that_keep_nothing_give_the_same_gradients(
    base: Base, tmp_path: Path, paintings: list[Path], how: Any
) -> None:
    spec = training_spec(base.facts.name, tmp_path, paintings)
    session = opened(base, spec)
    material = gather(session)
    wake(session.learner)

    def once() -> list[Tensor | None]:
        for parameter in session.learner.parameters():
            parameter.grad = None
        gradients(session, material.learned[:4], [], material.empty, of="step", step=1)
        return [parameter.grad for parameter in session.learner.parameters()]

    kept = once()
    calls = []
    watched = blocks.blocks_of(base.unet, how)[0]
    hook = watched.register_forward_hook(lambda *_: calls.append(1))
    with blocks.checkpointed(base.unet, how):
        again = once()
    hook.remove()
    assert all(torch.equal(own, other) for own, other in zip(kept, again, strict=True))  # type: ignore[arg-type]
    assert not any("forward" in vars(module) for module in base.unet.modules())


def test_fewer_blocks_keep_nothing_where_there_is_room(base: Base) -> None:
    count = {how: len(blocks.blocks_of(base.unet, how)) for how in ("none", "some", "all")}
    assert 0 == count["none"] < count["some"] <= count["all"]


# --- to the end, and again after a pause ---


@pytest.mark.parametrize("method", [DREAMBOOTH, INVERSION], ids=["dreambooth", "textual inversion"])
def test_a_resumed_run_of_each_method_is_bit_identical(
    base: Base, tmp_path: Path, paintings: list[Path], method: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu.engine.report.MIN_INTERVAL", 0.0)
    settings = {"steps": 4, "checkpoint_steps": [2, 4], "held_out": 0.25, "samples": [], **method}
    whole = train(training_spec(base.facts.name, tmp_path / "whole", paintings, **settings), base)
    spec = training_spec(base.facts.name, tmp_path / "parts", paintings, **settings)
    first = train(spec, base, Heard(after="metric", count=3, say="yielded"))
    assert first.events[-1].outcome == "yielded"  # type: ignore[attr-defined]
    torch.manual_seed(999)
    second = train(spec, base)

    ends = [heard.of("checkpoint")[-1] for heard in (whole, second)]
    assert same(load_file(ends[0].path), load_file(ends[1].path))
    assert ends[0].sha256 == ends[1].sha256
    assert whole.of("metric")[-1].held_out == second.of("metric")[-1].held_out
    assert whole.of("metric")[-1].held_out is not None


def test_pictures_of_the_class_are_made_once(
    base: Base, tmp_path: Path, paintings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    real = materials.paint

    def paint(*args: Any) -> Any:
        made.append(args[1].seed)
        return real(*args)

    monkeypatch.setattr(materials, "paint", paint)
    spec = training_spec(base.facts.name, tmp_path, paintings, samples=[], preflight=False, **DREAMBOOTH)
    first = train(spec, base, Heard(after="bucket", say="yielded"))
    assert first.events[-1].outcome == "yielded"  # type: ignore[attr-defined]
    train(spec, base)
    assert made == [0, 1]


def test_pictures_of_the_class_keep_it_from_drifting(base: Base, tmp_path: Path, paintings: list[Path]) -> None:
    """With them the base's own pictures of the class are predicted better than without, at the same steps."""
    losses = {}
    for name, method in (("with", DREAMBOOTH | {"prior_weight": 2.0}), ("without", {})):
        settings = {"steps": 25, "checkpoint_steps": [25], "rank": 16, "alpha": 16.0, "learning_rate": 5e-3}
        spec = training_spec(
            base.facts.name, tmp_path / name, paintings, samples=[], preflight=False, **(settings | method)
        )
        end = train(spec, base).of("checkpoint")[-1]
        asked = opened(base, training_spec(base.facts.name, tmp_path / "class", paintings, **DREAMBOOTH))
        found = gather(asked)
        mixer = Mixer(base)
        mixer.mix([StyleWeight(path=end.path, sha256=end.sha256, weight=1)])
        with torch.no_grad():
            losses[name] = float(plain_loss(base, spec, found.prior * 8, found.empty, name="probe", dropout=0))
        mixer.mix([])
    assert losses["with"] < losses["without"]


def test_a_learned_word_moves_nothing_but_its_vectors(base: Base, tmp_path: Path, paintings: list[Path]) -> None:
    fresh = weights_of(base)
    tables = [encoder.get_input_embeddings().weight.clone() for encoder in base.text_encoders]
    spec = training_spec(base.facts.name, tmp_path, paintings, samples=[], **INVERSION)
    end = train(spec, base).of("checkpoint")[-1]
    assert same(weights_of(base), fresh)
    assert all(
        torch.equal(encoder.get_input_embeddings().weight, table)
        for encoder, table in zip(base.text_encoders, tables, strict=True)
    )
    assert base.words == {}
    assert base.text_state == ()
    assert end.weight_norm > 0
    read = inversion.read(Path(end.path), end.sha256, base)
    assert read.word == spec.trigger_word
    assert [tuple(part.shape) for part in read.vectors] == [(3, 16), (3, 24)]


def test_the_samples_of_a_learned_word_are_the_pictures_that_generation_makes(
    base: Base, tmp_path: Path, paintings: list[Path]
) -> None:
    spec = training_spec(base.facts.name, tmp_path, paintings, **INVERSION)
    heard = train(spec, base)
    end, samples = heard.of("checkpoint")[-1], heard.of("sample")
    assert len({Path(sample.path).read_bytes() for sample in samples}) == 3
    mixer = Mixer(base)
    mixer.mix([StyleWeight(path=end.path, sha256=end.sha256, weight=1)])
    recipe = replace(
        RECIPE, prompt=spec.samples[0].prompt, steps=spec.sample_steps, guidance=spec.sample_guidance, seed=1
    )
    paint(base, recipe).save(tmp_path / "again.png")
    mixer.mix([])
    assert (tmp_path / "again.png").read_bytes() == Path(samples[-1].path).read_bytes()


def test_the_file_of_a_learned_word_is_checked(base: Base, tmp_path: Path) -> None:
    def refused(path: Path, sha256: str = "") -> str:
        with pytest.raises(Failure) as failure:
            inversion.read(path, sha256 or hashlib.sha256(path.read_bytes()).hexdigest(), base)
        return failure.value.say

    path = tmp_path / "word.safetensors"
    word = {inversion.WORD: "zorli"}
    inversion.write(path, (torch.ones(2, 16), torch.ones(2, 24)), word)
    assert inversion.is_inversion(path)
    assert "not the one" in refused(path, "0" * 64)
    inversion.write(path, (torch.ones(2, 16), torch.ones(2, 23)), word)
    assert "another base" in refused(path)
    inversion.write(path, (torch.ones(2, 16), torch.ones(3, 24)), word)
    assert "another base" in refused(path)
    inversion.write(path, (torch.ones(2, 16), torch.full((2, 24), float("nan"))), word)
    assert "broken numbers" in refused(path)
    inversion.write(path, (torch.ones(2, 16), torch.ones(2, 24)), {})
    assert "which word" in refused(path)
    path.write_bytes(b"no safetensors")
    assert "damaged" in refused(path)
    assert not inversion.is_inversion(path)
    with pytest.raises(Failure, match="missing_file"):
        inversion.read(tmp_path / "gone.safetensors", "0" * 64, base)
