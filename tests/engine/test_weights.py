"""LoRA files without torch: headers, the layers of a base, what a file is, and its two spellings."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from gpu.engine import weights
from gpu.engine.__main__ import main
from gpu.engine.catalogue import SDXL, STARTER, BaseFacts, describe
from gpu.engine.contract import StyleWeight
from gpu.engine.failures import Failure
from gpu.engine.lora import Mixer, read_lora, sha256_of, targets
from gpu.engine.models import Base, load
from gpu.engine.weights.header import read_header
from gpu.engine.weights.names import canonical
from gpu.engine.weights.shapes import SDXL_TEXT, SDXL_TEXT_2, SDXL_UNET, layers_of
from tests.engine.makers import weights_of


@pytest.fixture
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


@pytest.fixture
def facts(tiny_base: Path) -> BaseFacts:
    return describe(str(tiny_base))


def kohya(
    path: Path, facts: BaseFacts, *, alpha: float | None = 3.0, rank: int = 4, dtype: torch.dtype = torch.float16
) -> Path:
    """A LoRA on every layer: attention, feed-forward, convolutions and both text encoders, at two ranks."""
    generator = torch.Generator().manual_seed(1)
    tensors: dict[str, torch.Tensor] = {}
    for number, (layer, shape) in enumerate(layers_of(facts).shapes.items()):
        part, tail = layer.split(".", 1)
        stem = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}[part]
        stem += tail.replace(".", "_")
        own = rank + number % 2  # ranks differ
        down = torch.randn(own, *shape[1:], generator=generator) * 0.1
        up = torch.randn(shape[0], own, *(1 for _ in shape[2:]), generator=generator) * 0.1
        tensors[f"{stem}.lora_down.weight"], tensors[f"{stem}.lora_up.weight"] = down.to(dtype), up.to(dtype)
        if alpha is not None:
            tensors[f"{stem}.alpha"] = torch.tensor(alpha)
    save_file(tensors, path, metadata={"ss_output_name": "all", "modelspec.trigger_phrase": "kovazi"})
    return path


def mixed(base: Base, path: Path) -> dict[str, torch.Tensor]:
    mixer = Mixer(base)
    mixer.mix([StyleWeight(path=str(path), sha256=sha256_of(path), weight=1)])
    found = {name: tensor.clone() for name, tensor in weights_of(base).items()}
    mixer.mix([])
    return found


# --- the layers of a base ---


def _modules(parts: dict[str, torch.nn.Module]) -> dict[str, tuple[int, ...]]:
    return {
        canonical(f"{part}.{name}"): tuple(module.weight.shape)
        for part, root in parts.items()
        for name, module in root.named_modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d)
    }


def test_the_layers_of_a_base_are_those_of_its_modules(base: Base, facts: BaseFacts) -> None:
    own = {canonical(name): tuple(module.weight.shape) for name, module in targets(base).items()}
    assert dict(layers_of(facts).shapes) == own


def test_the_layers_of_sdxl_are_those_that_diffusers_builds() -> None:
    numbers = {"max_position_embeddings": 8, "vocab_size": 10, "num_attention_heads": 2}
    with torch.device("meta"):
        parts = {
            "unet": UNet2DConditionModel(
                **SDXL_UNET,
                addition_embed_type="text_time",
                addition_time_embed_dim=256,
                attention_head_dim=(5, 10, 20),
            ),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**SDXL_TEXT, **numbers)),
            "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**SDXL_TEXT_2, **numbers)),
        }
    assert dict(layers_of(SDXL).shapes) == _modules(parts)


def test_looking_into_a_file_imports_no_torch() -> None:
    code = "import sys, gpu.engine.weights; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


# --- spellings ---


@pytest.mark.parametrize(("alpha", "dtype"), [(3.0, torch.float16), (2.5, torch.bfloat16), (1.0, torch.float32)])
def test_a_conversion_mixes_to_the_same_weights(
    base: Base, facts: BaseFacts, tmp_path: Path, alpha: float, dtype: torch.dtype
) -> None:
    source = kohya(tmp_path / "kohya.safetensors", facts, alpha=alpha, dtype=dtype)
    ours = mixed(base, source)
    weights.convert(source, tmp_path / "diffusers.safetensors", "diffusers", facts)
    weights.convert(tmp_path / "diffusers.safetensors", tmp_path / "again.safetensors", "kohya", facts)
    for converted in ("diffusers", "again"):
        theirs = mixed(base, tmp_path / f"{converted}.safetensors")
        assert all(torch.allclose(ours[name], tensor, rtol=1e-6, atol=1e-7) for name, tensor in theirs.items())


@pytest.mark.parametrize("alpha", [2.0, 4.0, None])
def test_a_factor_that_is_a_power_of_two_loses_nothing_and_stays_half_precision(
    base: Base, facts: BaseFacts, tmp_path: Path, alpha: float | None
) -> None:
    source, target = tmp_path / "kohya.safetensors", tmp_path / "diffusers.safetensors"
    tensors = load_file(kohya(source, facts, alpha=alpha))
    even = {
        stem: tensors[f"{stem}.lora_down.weight"].shape[0] == 4 for stem in {key.split(".", 1)[0] for key in tensors}
    }
    save_file({key: tensor for key, tensor in tensors.items() if even[key.split(".", 1)[0]]}, source)
    weights.convert(source, target, "diffusers", facts)
    kinds = [part.dtype for part in read_header(target).parts.values()]
    assert kinds.count("F16") > 0.8 * len(kinds)  # the rest holds numbers too small to be halved in float16
    ours, theirs = mixed(base, source), mixed(base, target)
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def test_to_kohya_and_back_gives_the_same_bytes(facts: BaseFacts, tmp_path: Path) -> None:
    first, second, third, fourth = (tmp_path / f"{n}.safetensors" for n in range(4))
    kohya(first, facts, alpha=None)
    weights.convert(first, second, "diffusers", facts)
    weights.convert(second, third, "kohya", facts)
    weights.convert(third, fourth, "diffusers", facts)
    assert second.read_bytes() == fourth.read_bytes()
    assert read_header(second).metadata["modelspec.trigger_phrase"] == "kovazi"


@pytest.mark.parametrize("to", ["kohya", "diffusers"])
def test_diffusers_own_loader_makes_the_same_of_both(
    base: Base, facts: BaseFacts, tiny_base: Path, tmp_path: Path, to: weights.Format
) -> None:
    source, target = kohya(tmp_path / "in.safetensors", facts), tmp_path / "out.safetensors"
    # of kohya's names diffusers knows those that kohya's trainer writes: blocks and text encoders
    blocks = {
        key: tensor
        for key, tensor in load_file(source).items()
        if "_blocks_" in key or "_encoder_" in key or "mid_block" in key
    }
    save_file(blocks, source)
    weights.convert(source, target, to, facts)
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_base)
    pipeline.load_lora_weights(target)
    inputs = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    mixer = Mixer(base)
    mixer.mix([StyleWeight(path=str(source), sha256=sha256_of(source), weight=1)])
    prompt = base.prompt("a red fox")
    conditioning = {"text_embeds": prompt.pooled, "time_ids": base.time_ids(64, 64)}
    with torch.no_grad():
        theirs_prompt = pipeline.encode_prompt("a red fox", do_classifier_free_guidance=False)
        ours = base.unet(inputs, 500, prompt.tokens, added_cond_kwargs=conditioning).sample
        theirs = pipeline.unet(inputs, 500, prompt.tokens, added_cond_kwargs=conditioning).sample
    assert (ours - theirs).norm() / theirs.norm() < 1e-3
    assert (prompt.tokens - theirs_prompt[0]).norm() / prompt.tokens.norm() < 1e-3
    assert (prompt.pooled - theirs_prompt[2]).norm() / prompt.pooled.norm() < 1e-3


def test_what_diffusers_saves_with_alphas_in_its_metadata_keeps_them(
    base: Base, facts: BaseFacts, tmp_path: Path
) -> None:
    layer = next(name for name in layers_of(facts).shapes if name.endswith("attn1.to_q"))
    width = layers_of(facts).shapes[layer][1]
    source, target = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    metadata = {"unet.lora_alpha": 8, "unet.alpha_pattern": {layer.removeprefix("unet."): 1}}
    save_file(
        {f"{layer}.lora_A.weight": torch.ones(2, width), f"{layer}.lora_B.weight": torch.ones(width, 2)},
        source,
        metadata={"lora_adapter_metadata": json.dumps(metadata)},
    )
    weights.convert(source, target, "kohya", facts)
    [alpha] = [tensor for key, tensor in load_file(target).items() if key.endswith(".alpha")]
    assert float(alpha) == 1.0
    scales = {
        file: [layer.scale for layer in read_lora(file, sha256_of(file), base).layers.values()]
        for file in (source, target)
    }
    assert scales == {source: [0.5], target: [0.5]}


def test_the_spelling_of_diffusers_before_peft_is_read(base: Base, facts: BaseFacts, tmp_path: Path) -> None:
    layer = next(name for name in layers_of(facts).shapes if name.endswith("attn1.to_out.0"))
    width = layers_of(facts).shapes[layer][1]
    stem = layer.removesuffix(".to_out.0")
    path = tmp_path / "old.safetensors"
    save_file(
        {
            f"{stem}.processor.to_out_lora.down.weight": torch.ones(2, width),
            f"{stem}.processor.to_out_lora.up.weight": torch.ones(width, 2),
        },
        path,
    )
    assert list(read_lora(path, sha256_of(path), base).layers) == [layer]


def test_the_command_converts_and_says_what_is_wrong(
    facts: BaseFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = kohya(tmp_path / "in.safetensors", facts), tmp_path / "out.safetensors"

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["engine", "lora", *map(str, arguments), "--base", facts.folder])
        return main()

    assert run("convert", source, target, "--to", "diffusers") == 0
    assert any(key.startswith("unet.") for key in read_header(target).parts)
    assert run("show", target) == 0
    assert "rank 5" in capsys.readouterr().out
    target.write_bytes(b"no")
    assert run("show", target) == 1
    assert "not a safetensors file" in capsys.readouterr().err
    assert run("show", tmp_path / "nowhere") == 1


# --- what a file is ---


def test_a_lora_says_its_rank_its_word_and_everything_that_was_written_about_it(
    facts: BaseFacts, tmp_path: Path
) -> None:
    path = kohya(tmp_path / "in.safetensors", facts)
    tensors = load_file(path)
    tags = {"5_foxes": {"watercolor": 12, "red fox": 3}}
    save_file(
        tensors,
        path,
        metadata={"ss_output_name": "Foxes", "trigger_word": "  kovazi   style ", "ss_tag_frequency": json.dumps(tags)},
    )
    found = weights.examine(path, facts)
    assert (found.rank, found.trigger_word, found.title, found.touches_text) == (5, "kovazi style", "Foxes", True)
    assert found.layers == len(layers_of(facts).shapes)
    assert {"Foxes", "5_foxes", "watercolor", "red fox"} <= set(found.said)


def _file(path: Path, tensors: dict[str, Any], data: bytes = b"") -> Path:
    header = json.dumps(tensors).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


def _entry(dtype: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("tensors", "data", "says"),
    [
        ({"a": _entry("F32", [1], 0, 4), "b": _entry("F32", [1], 0, 4)}, b"1234", "damaged"),
        ({"a": _entry("F32", [1], 4, 8)}, b"12345678", "damaged"),
        ({"a": _entry("F32", [1], 0, 4)}, b"12345678", "something follows its end"),
        ({"a": _entry("F32", [2], 0, 4)}, b"1234", "damaged"),
        ({"a": _entry("F32", [-1], 0, -4)}, b"", "damaged"),
        ({"a": _entry("F32", [2**62, 4], 0, 4)}, b"1234", "damaged"),
        ({"a": _entry("C128", [1], 0, 16)}, b"0" * 16, "damaged"),
        ({"a": {"dtype": "F32"}}, b"", "damaged"),
        ({"a": _entry("F32", [True], 0, 4)}, b"1234", "damaged"),
        ({"__metadata__": {"a": 1}}, b"", "damaged"),
        ({"__metadata__": {"lora_adapter_metadata": "["}, "x.alpha": _entry("F32", [], 0, 4)}, b"1234", "another base"),
        ({"model.diffusion_model.input_blocks.0.0.weight": _entry("F32", [1], 0, 4)}, b"1234", "whole model"),
        ({"clip_l": _entry("F32", [1], 0, 4)}, b"1234", "textual inversion"),
        ({"lora_unet_x.hada_w1_a": _entry("F32", [1], 0, 4)}, b"1234", "LoHa"),
        ({"lora_unet_x.dora_scale": _entry("F32", [1], 0, 4)}, b"1234", "DoRA"),
        ({"anything": _entry("F32", [1], 0, 4)}, b"1234", "something else"),
        ({"lora_unet_double_blocks_0.lora_down.weight": _entry("F32", [1], 0, 4)}, b"1234", "for Flux"),
        (
            {"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight":
             _entry("F16", [1, 768], 0, 1536)}, b"0" * 1536, "Stable Diffusion 1; here pictures come from Starter",
        ),
    ],
)  # fmt: skip
def test_each_file_that_is_something_else_is_named(
    tmp_path: Path, tensors: dict[str, Any], data: bytes, says: str
) -> None:
    with pytest.raises(Failure, match=says) as refused:
        weights.examine(_file(tmp_path / "x.safetensors", tensors, data), STARTER)
    assert refused.value.code == "bad_weights"


def test_a_name_that_appears_twice_is_damage(tmp_path: Path) -> None:
    header = (
        b'{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}'
    )
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"1234")
    with pytest.raises(Failure, match="damaged"):
        read_header(path)


def test_a_layer_named_in_two_spellings_is_damage(facts: BaseFacts, tmp_path: Path) -> None:
    layer = next(name for name in layers_of(facts).shapes if name.endswith("attn1.to_q"))
    width = layers_of(facts).shapes[layer][1]
    flat = "lora_unet_" + layer.removeprefix("unet.").replace(".", "_")
    path = tmp_path / "x.safetensors"
    save_file({f"{layer}.lora_A.weight": torch.ones(2, width), f"{flat}.lora_down.weight": torch.ones(2, width)}, path)
    with pytest.raises(Failure, match="twice"):
        weights.examine(path, facts)


def test_a_rank_stabilised_lora_is_refused(facts: BaseFacts, tmp_path: Path) -> None:
    path = kohya(tmp_path / "x.safetensors", facts)
    save_file(load_file(path), path, metadata={"lora_adapter_metadata": json.dumps({"unet.use_rslora": True})})
    with pytest.raises(Failure, match="rank-stabilised"):
        weights.examine(path, facts)


def test_a_file_of_more_than_two_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.truncate(weights.MAX_FILE + 1)  # a hole: it takes no room
    with pytest.raises(Failure, match="larger than 2 GB"):
        weights.examine(path, STARTER)


@given(place=st.floats(0, 1, exclude_max=True), noise=st.binary(min_size=1, max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused_and_never_more(
    facts: BaseFacts, tmp_path: Path, place: float, noise: bytes
) -> None:
    path = tmp_path / "whole.safetensors"
    if not path.exists():
        kohya(path, facts)
    whole = path.read_bytes()
    at = int(place**3 * len(whole))
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    code = "read"
    try:
        weights.examine(damaged, facts)
    except Failure as failure:
        code = failure.code
    assert code in ("read", "bad_weights")


def test_an_alpha_that_is_no_number_is_refused_in_a_conversion(facts: BaseFacts, tmp_path: Path) -> None:
    path = kohya(tmp_path / "x.safetensors", facts, alpha=float("nan"))
    with pytest.raises(Failure, match="broken numbers"):
        weights.convert(path, tmp_path / "y.safetensors", "diffusers", facts)
    assert not (tmp_path / "y.safetensors").exists()
