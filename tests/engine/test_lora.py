"""LoRA files and their mixing into a base."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from gpu.engine import inversion
from gpu.engine.contract import StyleWeight
from gpu.engine.failures import Failure
from gpu.engine.lora import Mixer, Trainable, read_lora, sha256_of, targets, write_lora
from gpu.engine.models import Base, load
from gpu.engine.pipelines.painting import denoise, paint
from tests.engine.makers import RECIPE, random_lora, same, tensor_bytes, weights_of


@pytest.fixture
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


@pytest.fixture
def two_styles(base: Base, tmp_path: Path) -> list[StyleWeight]:
    """Of different rank, alpha and weight."""
    first = random_lora(base, tmp_path / "a.safetensors", rank=4, alpha=2, seed=1)
    second = random_lora(base, tmp_path / "b.safetensors", rank=8, alpha=8, seed=2)
    return [first.model_copy(update={"weight": 0.7}), second.model_copy(update={"weight": -0.4})]


def test_a_lora_changes_the_picture(base: Base, two_styles: list[StyleWeight]) -> None:
    mixer = Mixer(base)
    bare = denoise(base, RECIPE)
    mixer.mix(two_styles[:1])
    assert (denoise(base, RECIPE) - bare).abs().mean() > 0.01


def test_the_same_seed_gives_the_same_picture_and_another_seed_another(base: Base) -> None:
    first, again = denoise(base, RECIPE), denoise(base, RECIPE)
    other = denoise(base, type(RECIPE)(**{**vars(RECIPE), "seed": 8}))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def _unmerged(tiny_base: Path, styles: list[StyleWeight]) -> StableDiffusionXLPipeline:
    """The reference: diffusers and PEFT compute every LoRA beside the layers."""
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_base)
    for number, style in enumerate(styles):
        pipeline.load_lora_weights(style.path, adapter_name=f"s{number}")
    names = [f"s{number}" for number in range(len(styles))]
    pipeline.set_adapters(names, [style.weight for style in styles])
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_two_loras_of_different_rank_mix_as_unmerged_peft_does(
    base: Base, tiny_base: Path, two_styles: list[StyleWeight]
) -> None:
    pipeline = _unmerged(tiny_base, two_styles)
    Mixer(base).mix(two_styles)
    inputs = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    prompt = base.prompt("a red fox")
    conditioning = {"text_embeds": prompt.pooled.repeat(2, 1), "time_ids": base.time_ids(64, 64).repeat(2, 1)}
    tokens = prompt.tokens.repeat(2, 1, 1)
    with torch.no_grad():
        ours = base.unet(inputs, 500, tokens, added_cond_kwargs=conditioning).sample
        theirs = pipeline.unet(inputs, 500, tokens, added_cond_kwargs=conditioning).sample
    assert (ours - theirs).norm() / theirs.norm() < 1e-3


def test_an_exported_file_gives_diffusers_alone_the_same_picture(
    base: Base, tiny_base: Path, two_styles: list[StyleWeight]
) -> None:
    style = two_styles[0].model_copy(update={"weight": 1.0})
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_base)
    pipeline.set_progress_bar_config(disable=True)

    def theirs() -> np.ndarray:
        picture = pipeline(
            RECIPE.prompt,
            width=64,
            height=64,
            num_inference_steps=RECIPE.steps,
            guidance_scale=RECIPE.guidance,
            generator=torch.Generator().manual_seed(RECIPE.seed),
        )
        return np.asarray(picture.images[0], dtype=int)

    mixer = Mixer(base)
    assert np.abs(theirs() - np.asarray(paint(base, RECIPE), dtype=int)).max() <= 2
    pipeline.load_lora_weights(style.path)
    mixer.mix([style])
    with_style = np.asarray(paint(base, RECIPE), dtype=int)
    assert np.abs(theirs() - with_style).max() <= 2


@pytest.mark.parametrize("endings", [("to_q", "to_out.0"), ("conv1", "conv2", "conv_shortcut"), ("proj_in", "conv")])
def test_what_is_trained_beside_the_layers_is_what_the_file_merges(
    base: Base, tiny_base: Path, tmp_path: Path, endings: tuple[str, ...]
) -> None:
    trainable = Trainable(base, endings=endings, rank=3, alpha=6, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in trainable.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    bare = denoise(base, RECIPE)
    trainable.attach()
    beside = denoise(base, RECIPE)
    trainable.detach()
    path = tmp_path / "trained.safetensors"
    style = StyleWeight(path=str(path), sha256=write_lora(path, trainable.layers(), 6, {}), weight=1)
    Mixer(base).mix([style])
    merged = denoise(base, RECIPE)
    assert (beside - bare).norm() > 0.05 * bare.norm()
    assert (merged - beside).norm() < 0.01 * (beside - bare).norm()

    pipeline = _unmerged(tiny_base, [style])  # and diffusers understands it too
    inputs = torch.randn(1, 4, 16, 16, generator=generator)
    prompt = base.prompt("a red fox")
    conditioning = {"text_embeds": prompt.pooled, "time_ids": base.time_ids(64, 64)}
    with torch.no_grad():
        ours = base.unet(inputs, 500, prompt.tokens, added_cond_kwargs=conditioning).sample
        theirs = pipeline.unet(inputs, 500, prompt.tokens, added_cond_kwargs=conditioning).sample
    assert (ours - theirs).norm() / theirs.norm() < 1e-3


def test_many_switches_leave_no_drift(base: Base, two_styles: list[StyleWeight]) -> None:
    fresh = weights_of(base)
    mixer = Mixer(base)
    mixer.mix(two_styles)
    mixed = weights_of(base)
    for number in range(24):
        mixer.mix([two_styles[number % 2].model_copy(update={"weight": number / 10 - 1})])
    mixer.mix(two_styles)
    assert same(weights_of(base), mixed)
    mixer.mix([])
    assert same(weights_of(base), fresh)


def test_a_switch_keeps_the_weights_where_they_are(base: Base, two_styles: list[StyleWeight]) -> None:
    before = {name: tensor.data_ptr() for name, tensor in base.unet.named_parameters()}
    mixer = Mixer(base)
    mixer.mix(two_styles)
    mixer.mix([])
    assert {name: tensor.data_ptr() for name, tensor in base.unet.named_parameters()} == before


def test_a_failed_switch_is_not_mistaken_for_a_mix(base: Base, two_styles: list[StyleWeight], tmp_path: Path) -> None:
    fresh = weights_of(base)
    mixer = Mixer(base)
    mixer.mix(two_styles)
    gone = StyleWeight(path=str(tmp_path / "gone.safetensors"), sha256="0" * 64, weight=1)
    with pytest.raises(Failure):
        mixer.mix([gone])
    mixer.mix([])
    assert same(weights_of(base), fresh)


def test_a_style_on_a_text_encoder_makes_new_prompt_embeddings(base: Base, tmp_path: Path) -> None:
    name = "lora_te1_text_model_encoder_layers_0_self_attn_q_proj"
    own = {key.replace(".", "_"): module for key, module in base.text_encoders[0].named_modules()}
    stem = name if name.removeprefix("lora_te1_") in own else name.replace("text_model_", "")
    path = tmp_path / "text.safetensors"
    save_file({f"{stem}.lora_down.weight": torch.ones(2, 16), f"{stem}.lora_up.weight": torch.ones(16, 2)}, path)
    mixer = Mixer(base)
    bare = base.prompt("a fox").tokens
    mixer.mix([StyleWeight(path=str(path), sha256=sha256_of(path), weight=1)])
    assert not torch.equal(base.prompt("a fox").tokens, bare)
    mixer.mix([])
    assert torch.equal(base.prompt("a fox").tokens, bare)


def test_the_names_of_peft_and_of_kohya_mean_the_same(
    base: Base, two_styles: list[StyleWeight], tmp_path: Path
) -> None:
    ours = read_lora(Path(two_styles[1].path), two_styles[1].sha256, base)
    path = tmp_path / "peft.safetensors"
    tensors = {}
    for name, layer in ours.layers.items():
        tensors[f"{name}.lora_A.weight"] = layer.down
        tensors[f"{name}.lora_B.weight"] = layer.up
    save_file(tensors, path, metadata={"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 8})})
    theirs = read_lora(path, sha256_of(path), base)
    assert theirs.layers.keys() == ours.layers.keys()
    assert all(theirs.layers[name].scale == layer.scale == 1.0 for name, layer in ours.layers.items())


def test_the_block_numbers_of_stabilitys_own_code_are_translated(base: Base, tmp_path: Path) -> None:
    base.unet = UNet2DConditionModel(
        block_out_channels=(8, 16, 24),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 3),
        attention_head_dim=(1, 2, 3),
        cross_attention_dim=40,
        use_linear_projection=True,
        norm_num_groups=4,
    )  # SDXL's layout, with fewer channels
    theirs = {
        "input_blocks_4_1": ("down_blocks.1.attentions.0", 16),
        "input_blocks_8_1": ("down_blocks.2.attentions.1", 24),
        "middle_block_1": ("mid_block.attentions.0", 24),
        "output_blocks_2_1": ("up_blocks.0.attentions.2", 24),
        "output_blocks_3_1": ("up_blocks.1.attentions.0", 16),
    }
    tail, tensors = "transformer_blocks_1_attn2_to_q", {}
    for number, (stem, (_, width)) in enumerate(theirs.items()):
        tensors[f"lora_unet_{stem}_{tail}.lora_down.weight"] = torch.full((2, width), float(number))
        tensors[f"lora_unet_{stem}_{tail}.lora_up.weight"] = torch.ones(width, 2)
        tensors[f"lora_unet_{stem}_{tail}.alpha"] = torch.tensor(1)
    path = tmp_path / "kohya.safetensors"
    save_file(tensors, path)
    layers = read_lora(path, sha256_of(path), base).layers
    names = [f"unet.{name}.transformer_blocks.1.attn2.to_q" for name, _ in theirs.values()]
    assert [float(layers[name].down[0, 0]) for name in names] == [0, 1, 2, 3, 4]
    assert all(layer.scale == 0.5 for layer in layers.values())


def _header(tensors: dict[str, object]) -> bytes:
    header = json.dumps(tensors).encode()
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a safetensors file"),
        (b"PK\x03\x04 a pickle in a zip, as torch.save writes it", "not a safetensors file"),
        (struct.pack("<Q", 2**60) + b"{}", "not a safetensors file"),
        (_header({"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}), "damaged"),
        (struct.pack("<Q", 5) + b"{{{{{", "damaged"),
        (_header({}), "no LoRA"),
    ],
)
def test_a_file_that_is_no_lora_is_refused_by_name(base: Base, tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(Failure, match=says) as failure:
        read_lora(path, sha256_of(path), base)
    assert failure.value.code == "bad_weights"
    assert not failure.value.retryable


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (
            {"unet.nowhere.lora_A.weight": torch.ones(2, 2), "unet.nowhere.lora_B.weight": torch.ones(2, 2)},
            "another base",
        ),
        ({"{q}.lora_down.weight": torch.ones(2, 32)}, "incomplete"),
        ({"{q}.lora_down.weight": torch.ones(2, 5), "{q}.lora_up.weight": torch.ones(32, 2)}, "another base"),
        ({"{q}.lora_down.weight": torch.ones(3, 32), "{q}.lora_up.weight": torch.ones(32, 2)}, "another base"),
        ({"{q}.lora_down.weight": torch.ones(2, 32) / 0, "{q}.lora_up.weight": torch.ones(32, 2)}, "broken numbers"),
        ({"{q}.hada_w1_a": torch.ones(2, 32)}, "not supported"),
        ({"{q}.lora_down.weight": torch.ones(2, 32, dtype=torch.int64)}, "unknown kind"),
    ],
)
def test_weights_that_do_not_fit_the_base_are_refused_by_name(
    base: Base, tmp_path: Path, tensors: dict[str, torch.Tensor], says: str
) -> None:
    stem = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    path = tmp_path / "bad.safetensors"
    save_file({name.replace("{q}", stem): tensor for name, tensor in tensors.items()}, path)
    with pytest.raises(Failure, match=says) as failure:
        read_lora(path, sha256_of(path), base)
    assert failure.value.code == "bad_weights"


def test_a_file_with_another_checksum_is_refused(base: Base, two_styles: list[StyleWeight]) -> None:
    with pytest.raises(Failure, match="checked in"):
        read_lora(Path(two_styles[0].path), "0" * 64, base)


def test_exports_are_half_precision_with_alpha_beside_every_layer(two_styles: list[StyleWeight]) -> None:
    tensors = load_file(two_styles[0].path)
    stems = {name.split(".", 1)[0] for name in tensors}
    assert all(stem.startswith("lora_unet_") for stem in stems)
    assert all(float(tensors[f"{stem}.alpha"]) == 2.0 for stem in stems)
    assert tensors[f"{next(iter(stems))}.lora_up.weight"].dtype == torch.float16


@given(place=st.floats(0, 1, exclude_max=True), noise=st.binary(min_size=1, max_size=40), cut=st.booleans())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused_and_never_more(
    base: Base, two_styles: list[StyleWeight], tmp_path: Path, place: float, noise: bytes, cut: bool
) -> None:
    whole = Path(two_styles[0].path).read_bytes()
    at = int(place**3 * len(whole))  # mostly in the header, where it matters
    data = whole[:at] + noise + (b"" if cut else whole[at + len(noise) :])
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(data)
    code = "read"
    try:
        read_lora(path, hashlib.sha256(data).hexdigest(), base)
    except Failure as failure:
        code = failure.code
    assert code in ("read", "bad_weights")


# --- many styles, for long -----------------------------------------------------------------------------------------


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_hundred_switches_leave_no_drift_and_nothing_in_memory(base: Base, tiny_base: Path, tmp_path: Path) -> None:
    styles = [
        random_lora(base, tmp_path / f"{number}.safetensors", rank=1 + number, alpha=2, seed=number)
        for number in range(5)
    ]
    mixer = Mixer(base)

    def switch(number: int) -> None:
        chosen = [styles[number % 5], styles[(number + 2) % 5]][: 1 + number % 2]
        mixer.mix([style.model_copy(update={"weight": 0.5 + number % 3}) for style in chosen])

    for number in range(10):
        switch(number)
    tensors, resident = tensor_bytes(), _resident_bytes()
    for number in range(10, 110):
        switch(number)
    assert tensor_bytes() == tensors
    assert _resident_bytes() - resident < 32 * 2**20
    mixer.mix([])
    fresh = load(str(tiny_base), "cpu")
    assert same(weights_of(base), weights_of(fresh))
    assert not mixer._masters


@pytest.mark.parametrize("ranks", [[4], [1, 16], [2, 3, 8, 32]])
def test_a_mix_of_any_ranks_is_what_unmerged_peft_computes(
    base: Base, tiny_base: Path, tmp_path: Path, ranks: list[int]
) -> None:
    styles = [
        random_lora(base, tmp_path / f"{rank}.safetensors", rank=rank, alpha=rank / 2, seed=rank, strength=0.15)
        for rank in ranks
    ]
    weighted = [style.model_copy(update={"weight": 1.0 - 0.3 * number}) for number, style in enumerate(styles)]
    pipeline = _unmerged(tiny_base, weighted)
    Mixer(base).mix(weighted)
    inputs = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    prompt = base.prompt("a red fox")
    conditioning = {"text_embeds": prompt.pooled, "time_ids": base.time_ids(64, 64)}
    with torch.no_grad():
        ours = base.unet(inputs, 500, prompt.tokens, added_cond_kwargs=conditioning).sample
        theirs = pipeline.unet(inputs, 500, prompt.tokens, added_cond_kwargs=conditioning).sample
    assert (ours - theirs).norm() / theirs.norm() < 1e-3


def test_styles_in_memory_are_bounded_by_their_bytes(base: Base, tmp_path: Path) -> None:
    styles = [random_lora(base, tmp_path / f"{n}.safetensors", rank=4, alpha=4, seed=n) for n in range(5)]
    one = sum(layer.bytes for layer in read_lora(Path(styles[0].path), styles[0].sha256, base).layers.values())
    mixer = Mixer(base, room=int(2.5 * one))
    for style in styles:
        mixer.mix([style])
    assert mixer.kept_bytes == 2 * one
    Path(styles[4].path).unlink()
    mixer.mix([])
    mixer.mix([styles[4]])  # from memory
    Path(styles[0].path).unlink()
    with pytest.raises(Failure):
        mixer.mix([styles[0]])  # long gone from memory


def test_a_switch_counts_the_bytes_it_moves(base: Base, tmp_path: Path) -> None:
    style = random_lora(base, tmp_path / "a.safetensors", rank=4, alpha=4, seed=1)
    layers = read_lora(Path(style.path), style.sha256, base).layers
    masters = sum(targets(base)[name].weight.nbytes for name in layers)
    mixer = Mixer(base)
    mixer.mix([style])
    assert mixer.moved_bytes == masters + sum(layer.bytes for layer in layers.values())
    mixer.mix([style])
    assert mixer.moved_bytes == masters + sum(layer.bytes for layer in layers.values()), "there was nothing to move"


def test_a_learned_word_is_mixed_with_loras_and_leaves_with_them(base: Base, tmp_path: Path) -> None:
    widths = [encoder.get_input_embeddings().weight.shape[1] for encoder in base.text_encoders]
    generator = torch.Generator().manual_seed(1)
    vectors = tuple(torch.randn(2, width, generator=generator) for width in widths)
    path = tmp_path / "word.safetensors"
    sha256 = inversion.write(path, vectors, {inversion.WORD: "zorli"})  # type: ignore[arg-type]
    word = StyleWeight(path=str(path), sha256=sha256, weight=0.5)
    lora = random_lora(base, tmp_path / "a.safetensors", rank=2, alpha=2, seed=1)
    mixer = Mixer(base)
    bare = base.prompt("a fox, zorli").tokens
    mixer.mix([word, lora])
    assert torch.equal(base.words["zorli"][0], vectors[0] * 0.5)
    assert not torch.equal(base.prompt("a fox, zorli").tokens, bare)
    mixer.mix([lora])
    assert base.words == {}
    assert torch.equal(base.prompt("a fox, zorli").tokens, bare)
