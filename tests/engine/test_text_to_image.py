"""Making one picture: sizes, prompts, previews, and pictures that must not be shown."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from gpu.engine.failures import Failure
from gpu.engine.judging import works
from gpu.engine.lora import Mixer
from gpu.engine.models import Base, load
from gpu.engine.pipelines import painting
from gpu.engine.pipelines.painting import denoise, paint, preview, previews
from gpu.engine.pipelines.small import PREVIEW_BYTES
from gpu.engine.pipelines.text_to_image import make
from tests.engine.makers import RECIPE, Heard, picture_spec, random_lora


@pytest.fixture
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


def _make(base: Base, out: Path, **changes: Any) -> Heard:
    heard = Heard()
    make(picture_spec(base.facts.name, out, **changes), base, Mixer(base), heard.report)
    return heard


def test_it_writes_a_picture_of_the_wanted_size(base: Base, tmp_path: Path) -> None:
    _make(base, tmp_path, width=96, height=64)
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size == (96, 64)
        assert picture.mode == "RGB"


def test_a_size_the_network_cannot_halve_is_refused_in_words(base: Base) -> None:
    assert base.stride == 8
    painting.check_size(base, 72, 64)
    with pytest.raises(Failure, match="multiples of 8"):
        painting.check_size(base, 72, 60)


def test_a_style_changes_the_file_and_its_weight_matters(base: Base, tmp_path: Path) -> None:
    style = random_lora(base, tmp_path / "a.safetensors", rank=4, alpha=4, seed=1)
    files = []
    for number, weight in enumerate([None, 1.0, 0.5]):
        styles = [] if weight is None else [style.model_copy(update={"weight": weight})]
        _make(base, tmp_path / str(number), styles=styles)
        files.append((tmp_path / str(number) / "picture.png").read_bytes())
    assert len(set(files)) == 3


def test_the_negative_prompt_and_the_guidance_matter(base: Base) -> None:
    plain = denoise(base, RECIPE)
    assert not torch.equal(plain, denoise(base, replace(RECIPE, negative_prompt="a blue bird")))
    assert not torch.equal(plain, denoise(base, replace(RECIPE, guidance=2.0)))


def test_without_guidance_the_negative_prompt_is_not_even_computed(base: Base) -> None:
    plain = denoise(base, replace(RECIPE, guidance=1.0))
    assert torch.equal(plain, denoise(base, replace(RECIPE, guidance=1.0, negative_prompt="a blue bird")))


def test_the_first_step_already_sends_a_preview_of_at_most_sixteen_kilobytes(base: Base, tmp_path: Path) -> None:
    heard = _make(base, tmp_path, width=256, height=256)
    first = heard.of("preview")[0]
    assert first.step == 1
    data = base64.b64decode(first.webp)
    assert len(data) <= PREVIEW_BYTES
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "WEBP"


def test_a_preview_of_pure_noise_still_fits(base: Base) -> None:
    noise = torch.randn(1, 4, 256, 256, generator=torch.Generator().manual_seed(0)) * 3
    assert len(base64.b64decode(preview(base, noise))) <= PREVIEW_BYTES


def test_previews_come_at_most_four_times_a_second(base: Base, tmp_path: Path) -> None:
    heard = _make(base, tmp_path, steps=30)
    seconds = heard.report._last["preview"] - heard.report._started
    assert len(heard.of("preview")) <= 4 * seconds + 2


def test_where_decoding_is_dear_a_preview_takes_its_colours_from_a_linear_fit(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = torch.tensor([[0.2, -0.5, 0.3], [0.9, 0.1, 0.0], [-0.4, 0.4, 0.8], [0.1, 0.2, -0.6]])

    def encode(pictures: torch.Tensor) -> tuple[torch.Tensor, None]:
        small = torch.nn.functional.avg_pool2d(pictures, base.scale)
        return torch.einsum("nrhw,cr->nchw", small, matrix) + 0.3, None

    monkeypatch.setattr(base, "encode", encode)
    colour = torch.tensor([0.7, -0.2, 0.1])
    latents, _ = base.encode(colour.view(1, 3, 1, 1).expand(1, 3, 64, 64))
    picture = previews._rough(base, latents)
    assert torch.allclose(picture.mean(dim=(0, 2, 3)), colour, atol=1e-3)


def test_a_preview_is_made_for_a_full_autoencoder_too(base: Base) -> None:
    base.vae = AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
        latent_channels=4,
    ).eval()
    latents, spread = base.encode(torch.zeros(1, 3, 64, 64))
    assert spread is not None
    assert 0 < len(base64.b64decode(preview(base, latents))) <= PREVIEW_BYTES


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -1.0])
def test_a_broken_picture_is_tried_again_precisely_and_then_refused(
    base: Base, tmp_path: Path, broken: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def decode(latents: torch.Tensor, *, precise: bool = False) -> torch.Tensor:
        tries.append(precise)
        return torch.full((1, 3, 64, 64), broken)

    monkeypatch.setattr(base, "decode", decode)
    with pytest.raises(Failure, match="black") as failure:
        paint(base, RECIPE)
    assert failure.value.code == "black_picture"
    assert tries == [False, True]


def test_a_half_precision_failure_is_made_again_in_float32(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    good = np.asarray(paint(base, RECIPE), dtype=int)
    for part in (base.unet, base.vae, *base.text_encoders):
        part.to(torch.bfloat16)
    base.dtype = torch.bfloat16
    base.forget_prompts()
    real, tries = base.decode, []

    def fails_while_half(latents: torch.Tensor, *, precise: bool = False) -> torch.Tensor:
        tries.append(base.dtype)
        return real(latents, precise=precise) * (1 if base.dtype == torch.float32 else float("nan"))

    monkeypatch.setattr(base, "decode", fails_while_half)
    again = np.asarray(paint(base, RECIPE), dtype=int)
    assert tries == [torch.bfloat16, torch.bfloat16, torch.float32]
    assert np.abs(again - good).mean() < 20
    assert base.dtype == next(base.unet.parameters()).dtype == torch.bfloat16


def test_the_starter_makes_a_picture_with_its_defaults(starter: Path, tmp_path: Path) -> None:
    base = load("starter", "cpu")
    facts = base.facts
    assert all(width % base.stride == height % base.stride == 0 for width, height in facts.sizes)
    _make(base, tmp_path, width=facts.native, height=facts.native, steps=facts.steps, guidance=facts.guidance)
    with Image.open(tmp_path / "picture.png") as picture:
        assert np.asarray(picture).std() > 5


def test_any_size_that_the_base_can_halve_has_size_conditioning_of_its_own(base: Base, tmp_path: Path) -> None:
    seen: list[list[float]] = []
    base.unet.register_forward_pre_hook(
        lambda module, given, named: seen.append(named["added_cond_kwargs"]["time_ids"][0].tolist()), with_kwargs=True
    )
    for width, height in ((64, 64), (72, 104), (200, 64)):
        _make(base, tmp_path, width=width, height=height, steps=1)
        assert seen[-1] == [height, width, 0, 0, height, width]


def test_a_finished_picture_is_held_against_the_works_of_its_styles(base: Base, tmp_path: Path) -> None:
    assert not _make(base, tmp_path / "first").of("likeness")
    with Image.open(tmp_path / "first" / "picture.png") as picture:
        other = Image.new("RGB", (64, 64), "blue")
        works.write(tmp_path / "works", works.learn(["blue", "itself"], [other, picture.convert("RGB")]))
    style = random_lora(base, tmp_path / "a.safetensors", rank=4, alpha=4, seed=1)
    told = style.model_copy(update={"weight": 0.0, "works": str(tmp_path / "works")})
    (likeness,) = _make(base, tmp_path / "told", styles=[told]).of("likeness")
    assert (likeness.style, likeness.work, likeness.near) == (style.sha256, "itself", True)


@pytest.mark.cuda
def test_pictures_of_a_gpu_are_like_those_of_the_cpu(tiny_base: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU here")
    ours = np.asarray(paint(load(str(tiny_base), "cuda:0"), RECIPE), dtype=int)
    theirs = np.asarray(paint(load(str(tiny_base), "cpu"), RECIPE), dtype=int)
    assert np.abs(ours - theirs).mean() < 8
