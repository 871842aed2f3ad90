"""A part made anew: black stays to the last bit, white is drawn, and the edge between is soft."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image

from gpu.engine.failures import Failure
from gpu.engine.lora import Mixer
from gpu.engine.models import Base, load
from gpu.engine.pipelines import hole_filler, masks
from gpu.engine.pipelines import inpaint as tool
from gpu.engine.pipelines.hole_filler import filling
from gpu.engine.pipelines.painting import Start, denoise
from gpu.engine.pipelines.patches import patch_around
from gpu.engine.report import Interrupted
from gpu.engine.studio import Studio
from tests.engine.makers import RECIPE, Heard, random_lora, same, weights_of
from tests.engine.pictures import inpaint, made, mask, pixels, run, source


@pytest.fixture
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


@pytest.mark.parametrize("feather", [0, 1, 8, 40])
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_black_stays_to_the_last_bit_and_white_is_drawn(
    tiny_base: Path, studio: Studio, tmp_path: Path, feather: int, strength: float
) -> None:
    spec = inpaint(
        tiny_base, tmp_path, source=str(source(tmp_path / "s.png", 80, 56)), strength=strength, feather=feather,
        mask=str(mask(tmp_path / "m.png", (10, 20, 50, 44), 80, 56)),
    )  # fmt: skip
    run(spec, studio)
    before, after, marked = pixels(tmp_path / "s.png"), made(spec), pixels(tmp_path / "m.png") > 0
    assert after.shape == before.shape
    assert np.array_equal(before[~marked], after[~marked])
    assert not np.array_equal(before[28:36, 20:40], after[28:36, 20:40])


def test_a_grey_mask_mixes(tiny_base: Path, studio: Studio, tmp_path: Path) -> None:
    changed = []
    for value in (60, 255):
        spec = inpaint(
            tiny_base, tmp_path / str(value), source=str(source(tmp_path / "s.png")), feather=0,
            mask=str(mask(tmp_path / "m.png", (16, 16, 48, 48), value=value)),
        )  # fmt: skip
        run(spec, studio)
        changed.append(np.abs(made(spec).astype(int) - pixels(tmp_path / "s.png"))[16:48, 16:48].mean())
    assert 0 < changed[0] < changed[1]


def test_outside_the_mask_the_latents_end_as_the_sources_own(base: Base) -> None:
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    free = torch.zeros(1, 1, 16, 16)
    free[..., 4:8, 4:12] = 1
    drawn = denoise(base, RECIPE, start=Start(latents, strength=1.0, free=free))
    held = (free == 0).expand_as(drawn)
    assert torch.equal(drawn[held], latents[held])
    assert not torch.allclose(drawn[~held], latents[~held])


def test_what_is_half_free_is_let_go_half_way(base: Base) -> None:
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    away = []
    for share in (0.25, 0.75, 1.0):
        free = torch.full((1, 1, 16, 16), share)
        drawn = denoise(base, replace(RECIPE, steps=8), start=Start(latents, free=free))
        away.append(float((drawn - latents).abs().mean()))
    assert 0 < away[0] < away[1] < away[2]


def test_everything_free_is_a_picture_without_a_source(base: Base) -> None:
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    start = Start(latents, strength=1.0, free=torch.ones(1, 1, 16, 16))
    assert torch.equal(denoise(base, RECIPE, start=start), denoise(base, RECIPE))


# --- masks ---


def test_depth_is_the_distance_to_the_nearest_black() -> None:
    inside = np.ones((40, 50), dtype=bool)
    inside[20, 25] = inside[0, 0] = False
    rows, columns = np.mgrid[0:40, 0:50]
    true = np.minimum(np.hypot(rows - 20, columns - 25), np.hypot(rows, columns))
    assert np.allclose(masks.depth(inside, 12), np.minimum(true, 13), atol=1e-4)


def test_a_feather_rises_inwards_from_nothing_to_all() -> None:
    marked = np.zeros((60, 60), dtype=np.float32)
    marked[10:50, 10:50] = 1
    soft = masks.feathered(marked, 8)
    row = soft[30, 10:50]
    assert soft[marked == 0].max() == 0
    assert bool((np.diff(row[:20]) >= 0).all())
    assert 0 < row[0] < 0.1
    assert row[8:32].min() == 1


def test_a_thin_stroke_is_drawn_however_wide_the_feather() -> None:
    marked = np.zeros((60, 60), dtype=np.float32)
    marked[28:33] = 1
    assert masks.feathered(marked, 100).max() > 0.7


def test_a_mask_of_another_size_or_without_white_is_a_sentence(tiny_base: Path, studio: Studio, tmp_path: Path) -> None:
    picture = str(source(tmp_path / "s.png"))
    for box, width, say in (((0, 0, 9, 9), 32, "as large as the picture"), ((0, 0, 0, 0), 64, "marks nothing")):
        path = str(mask(tmp_path / "m.png", box, width))
        with pytest.raises(Failure, match=say):
            run(inpaint(tiny_base, tmp_path, source=picture, mask=path), studio)


# --- what the base is shown ---


def test_a_small_mark_is_shown_enlarged_and_a_large_one_as_it_is(base: Base) -> None:
    small, large = np.zeros((128, 128)), np.zeros((64, 64))
    small[60:70, 20:30] = 1
    large[4:60, 4:60] = 1
    near = patch_around(small, base, 64 * 64)
    assert near.size == (64, 64)
    assert near.extent == (32, 32)
    left, top, right, bottom = near.box
    assert left <= 20 < 30 <= right
    assert top <= 60 < 70 <= bottom
    assert patch_around(large, base, 64 * 64) == patch_around(np.ones((64, 64)), base, 64 * 64)
    assert patch_around(large, base, 64 * 64).size == (64, 64)


@pytest.mark.parametrize("shape", [(64, 64), (30, 200), (500, 333), (7, 9)])
def test_whatever_is_shown_lies_within_the_picture_and_fits_the_base(base: Base, shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(4)
    for _ in range(30):
        marked = np.zeros(shape)
        top, left = generator.integers(0, shape[0]), generator.integers(0, shape[1])
        marked[top : top + generator.integers(1, 80), left : left + generator.integers(1, 80)] = 1
        patch = patch_around(marked, base, 64 * 64)
        box = patch.box
        assert 0 <= box[0] < box[2] <= shape[1]
        assert 0 <= box[1] < box[3] <= shape[0]
        assert marked[box[1] : box[3], box[0] : box[2]].sum() == marked.sum()
        assert all(side % base.stride == 0 and side > 0 for side in patch.size)
        assert patch.size[0] * patch.size[1] < 2 * 64 * 64


# --- a UNet that was taught to fill holes ---


@pytest.fixture
def taught(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Base:
    """A base whose catalogue entry names such a UNet, which lies on this disk."""
    torch.manual_seed(9)
    unet = UNet2DConditionModel.from_config({**base.unet.config, "in_channels": 9})
    unet.save_pretrained(tmp_path / "models" / "sdxl-inpaint" / "unet", variant="fp16")
    monkeypatch.setenv("MODELS_DIR", str(tmp_path / "models"))
    base.facts = replace(base.facts, inpaint="sdxl-inpaint")
    return base


def test_the_taught_unet_draws_where_it_is_here_and_the_base_comes_back_bare(taught: Base, tmp_path: Path) -> None:
    style = random_lora(taught, tmp_path / "a.safetensors", rank=4, alpha=4, seed=1)
    before = weights_of(taught)
    mixer = Mixer(taught)
    mixer.mix([style])
    picture, marked = source(tmp_path / "s.png"), mask(tmp_path / "m.png", (16, 16, 48, 48))
    files = []
    for styles in ([], [style]):
        spec = inpaint(
            Path(taught.facts.name), tmp_path / "out", source=str(picture), mask=str(marked), styles=styles
        )  # fmt: skip
        with Image.open(picture) as image:
            tool.make(spec, image.convert("RGB"), pixels(marked) / np.float32(255), taught, mixer, Heard().report)
        after, black = made(spec), pixels(marked) == 0
        assert np.array_equal(after[black], pixels(picture)[black])
        files.append((tmp_path / "out" / "picture.png").read_bytes())
    assert files[0] != files[1]
    assert same(weights_of(taught), before)


def test_the_taught_unet_sees_the_hole(taught: Base, tmp_path: Path) -> None:
    spec = inpaint(Path(taught.facts.name), tmp_path, source="", mask="")
    with filling(spec, taught, Mixer(taught), Heard().report) as (twin, _):
        assert twin.unet.config["in_channels"] == 9
        latents, free = torch.zeros(1, 4, 16, 16), torch.ones(1, 1, 16, 16)
        drawn = [
            denoise(twin, RECIPE, start=Start(latents, free=free, hints=torch.full((1, 5, 16, 16), value)))
            for value in (0.0, 1.0)
        ]
    assert not torch.equal(*drawn)


def test_a_cancel_while_it_is_read_leaves_the_base_in_its_place(
    taught: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, placed = Heard(), []
    read = hole_filler._read

    def cancelled_meanwhile(name: str, base: Base) -> UNet2DConditionModel:
        heard.report.ask("cancelled")
        return read(name, base)

    monkeypatch.setattr(hole_filler, "_read", cancelled_meanwhile)
    monkeypatch.setattr(hole_filler, "_place", lambda module, device: placed.append(module))
    spec = inpaint(Path(taught.facts.name), tmp_path, source="", mask="")
    with pytest.raises(Interrupted), filling(spec, taught, Mixer(taught), heard.report):
        pass
    assert placed[-1] is taught.unet
    assert heard.of("done")[0].outcome == "cancelled"


def test_without_it_the_base_itself_fills_the_hole(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS_DIR", str(tmp_path))
    base.facts = replace(base.facts, inpaint="sdxl-inpaint")
    mixer = Mixer(base)
    spec = inpaint(Path(base.facts.name), tmp_path, source="", mask="")
    with filling(spec, base, mixer, Heard().report) as (painter, own):
        assert painter is base
        assert own is mixer


@pytest.mark.cuda
def test_black_stays_to_the_last_bit_on_a_gpu(tiny_base: Path, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU here")
    spec = inpaint(
        tiny_base,
        tmp_path,
        source=str(source(tmp_path / "s.png")),
        mask=str(mask(tmp_path / "m.png", (16, 16, 48, 48))),
    )
    run(spec, Studio("cuda:0"))
    black = pixels(tmp_path / "m.png") == 0
    assert np.array_equal(made(spec)[black], pixels(tmp_path / "s.png")[black])
