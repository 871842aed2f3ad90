"""A picture enlarged: by interpolation or by a model, with detail in tiles that show no seam."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Swin2SRConfig, Swin2SRForImageSuperResolution

from gpu.engine.failures import Failure
from gpu.engine.models import Base, load
from gpu.engine.pipelines.enlarging import BY_LANCZOS, BY_MODEL, enlarge
from gpu.engine.pipelines.painting import Start, denoise
from gpu.engine.report import Interrupted
from gpu.engine.studio import Studio
from tests.engine.makers import RECIPE, Heard
from tests.engine.pictures import made, pixels, run, source, upscale


@pytest.fixture
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


@pytest.mark.parametrize("factor", [2, 4])
def test_without_strength_it_only_enlarges_and_needs_no_base(studio: Studio, tmp_path: Path, factor: int) -> None:
    path = source(tmp_path / "s.png", 50, 37)
    spec = upscale(tmp_path / "no base here", tmp_path, source=str(path), factor=factor, strength=0.0)
    run(spec, studio)
    with Image.open(path) as picture:
        larger = picture.resize((50 * factor, 37 * factor), Image.Resampling.LANCZOS)
    assert np.array_equal(made(spec), np.asarray(larger))


def test_with_strength_detail_is_drawn_at_any_size(tiny_base: Path, studio: Studio, tmp_path: Path) -> None:
    path = source(tmp_path / "s.png", 70, 45)
    spec = upscale(tiny_base, tmp_path, source=str(path), factor=2, strength=0.5)
    heard = run(spec, studio)
    plain = upscale(tiny_base, tmp_path / "plain", source=str(path), factor=2, strength=0.0)
    run(plain, studio)
    assert made(spec).shape == (90, 140, 3)
    assert not np.array_equal(made(spec), made(plain))
    assert {event.steps for event in heard.of("progress")} == {2}


def test_a_picture_of_one_tile_is_drawn_as_if_there_were_none(base: Base) -> None:
    assert torch.equal(denoise(base, RECIPE, tile=(64, 64)), denoise(base, RECIPE))
    assert torch.equal(denoise(base, RECIPE, tile=(128, 128)), denoise(base, RECIPE))


def test_a_draft_keeps_the_features_of_each_tile_apart(base: Base) -> None:
    recipe = replace(RECIPE, width=128, steps=6)
    fine, draft = (denoise(base, replace(recipe, tier=tier), tile=(64, 64)) for tier in ("fine", "draft"))
    mixed_up = denoise(base, replace(recipe, steps=6, seed=8), tile=(64, 64))
    assert 0 < (fine - draft).abs().mean() < 0.5 * (fine - mixed_up).abs().mean()


def test_tiles_leave_no_seam(starter: Path) -> None:
    base = load("starter", "cpu")
    smooth = torch.nn.functional.interpolate(torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(1)),
                                             size=(192, 192), mode="bicubic").clamp(-1, 1)  # fmt: skip
    start = Start(base.encode(smooth)[0], strength=0.3)
    recipe = replace(RECIPE, prompt="a red apple", width=192, height=192, steps=10)
    drawn = base.decode(denoise(base, recipe, start=start, tile=(128, 128)))[0]
    across = drawn.diff(dim=-1).abs().mean(dim=(0, 1))
    # one tile ends at 128, another begins at 64: what a seam would be seen by is a larger step just there
    for at in (64, 128):
        assert across[at - 1] < 2.5 * across.median()


def test_a_cancel_is_heard_between_two_tiles_of_a_step(base: Base) -> None:
    passes = []

    def check() -> None:
        passes.append(1)
        if len(passes) == 3:
            raise Interrupted("cancelled")

    with pytest.raises(Interrupted):
        denoise(base, replace(RECIPE, width=160, height=160), tile=(64, 64), check=check)
    assert len(passes) == 3


def test_the_field_of_noise_is_one_for_all_tiles(base: Base) -> None:
    recipe = replace(RECIPE, width=128, height=64, guidance=1.0)
    seen: list[torch.Tensor] = []
    base.unet.register_forward_pre_hook(lambda module, given: seen.append(given[0].clone()))
    denoise(base, recipe, tile=(64, 64))
    noise = torch.randn(1, 4, 16, 32, generator=torch.Generator().manual_seed(recipe.seed))
    first, middle, last = seen[:3]
    assert torch.equal(first, noise[..., :16])
    assert torch.equal(middle, noise[..., 8:24])
    assert torch.equal(last, noise[..., 16:])


def test_a_picture_too_large_is_a_sentence(tiny_base: Path, studio: Studio, tmp_path: Path) -> None:
    Image.new("RGB", (2100, 8)).save(tmp_path / "s.png")
    with pytest.raises(Failure, match="8192"):
        run(upscale(tiny_base, tmp_path, source=str(tmp_path / "s.png"), factor=4), studio)


# --- the upscaling model ---


@pytest.fixture
def upscaler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The real class with random weights, as small as it gets, where the catalogue's would lie."""
    folder = tmp_path / "models" / "upscaler"
    torch.manual_seed(2)
    config = Swin2SRConfig(
        image_size=16, embed_dim=12, depths=[1], num_heads=[2], window_size=4, upscale=4, upsampler="nearest+conv"
    )
    Swin2SRForImageSuperResolution(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text("{}")
    monkeypatch.setenv("MODELS_DIR", str(tmp_path / "models"))
    return "upscaler"


@pytest.mark.parametrize("factor", [2, 4])
def test_the_upscaling_model_enlarges_where_it_is_here(upscaler: str, tmp_path: Path, factor: int) -> None:
    picture = Image.fromarray(pixels(source(tmp_path / "s.png", 50, 37)))
    larger, say = enlarge(picture, factor, upscaler, "cpu", Heard().report)
    assert larger.size == (50 * factor, 37 * factor)
    assert say == BY_MODEL
    plain = picture.resize(larger.size, Image.Resampling.LANCZOS)
    assert not np.array_equal(np.asarray(larger), np.asarray(plain))


def test_where_it_is_not_the_artist_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS_DIR", str(tmp_path))
    picture = Image.new("RGB", (8, 8), "red")
    assert enlarge(picture, 2, "upscaler", "cpu", Heard().report)[1] == BY_LANCZOS
    assert enlarge(picture, 2, "", "cpu", Heard().report)[1] == ""
