"""Pictures in pieces: every place is covered, and no seam shows."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from gpu.engine.models import Base, load
from gpu.engine.tiles import OVERLAP, Window, blend, mapped, places, seam_error, windows


@pytest.fixture
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


def _full_vae() -> AutoencoderKL:
    torch.manual_seed(5)
    return AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
        latent_channels=4,
    ).eval()


@pytest.mark.parametrize("length", [1, 63, 64, 65, 80, 128, 129, 500, 1000])
@pytest.mark.parametrize("step", [1, 4])
def test_tiles_cover_a_side_and_overlap(length: int, step: int) -> None:
    starts = places(length, 64, step)
    assert starts[0] == 0
    assert starts[-1] + min(64, length) == length
    for before, after in pairwise(starts):
        assert 0 < after - before <= 64 * (1 - OVERLAP) + step
    assert all(start % step == 0 for start in starts[:-1])


def test_windows_cover_every_place() -> None:
    seen = torch.zeros(100, 70)
    for window in windows(100, 70, (32, 48)):
        window.of(seen).add_(1)
    assert bool((seen > 0).all())


def test_pieces_of_one_picture_give_it_back() -> None:
    whole = torch.randn(1, 3, 100, 70, generator=torch.Generator().manual_seed(0))
    parts = ((window, window.of(whole)) for window in windows(100, 70, (32, 32)))
    assert torch.allclose(blend(parts, 100, 70), whole, atol=1e-5)


def test_two_pieces_that_differ_pass_into_each_other_without_an_edge() -> None:
    left, right = Window(0, 0, 8, 64), Window(0, 48, 8, 64)
    row = blend(iter([(left, torch.zeros(8, 64)), (right, torch.ones(8, 64))]), 8, 112)[0]
    assert row[:48].max() == 0
    assert row[64:].min() == 1
    steps = row.diff()
    assert bool((steps >= 0).all())
    assert steps.max() < 0.15


def test_what_is_made_larger_or_smaller_falls_into_place() -> None:
    whole = torch.randn(1, 2, 96, 64, generator=torch.Generator().manual_seed(1))
    twice = mapped(
        whole, lambda part: part.repeat_interleave(2, -1).repeat_interleave(2, -2), tile=40, scale=Fraction(2)
    )
    assert torch.allclose(twice[..., ::2, ::2], whole, atol=1e-5)
    half = mapped(whole, lambda part: part[..., ::4, ::4], tile=40, scale=Fraction(1, 4), step=4)
    assert torch.allclose(half, whole[..., ::4, ::4], atol=1e-5)


def test_a_tiled_vae_shows_no_seam(base: Base) -> None:
    latents = torch.randn(1, 4, 64, 80, generator=torch.Generator().manual_seed(2))
    error = seam_error(base, latents, 128)
    assert 0 < error.mean < 1  # of 255
    assert error.edge < 0.1
    assert base.plan.tile is None  # the measurement leaves the plan as it was


def test_tiles_of_a_vae_that_normalises_over_the_whole_picture_differ_no_more_at_their_borders(base: Base) -> None:
    base.vae = _full_vae()
    latents = torch.randn(1, 4, 64, 80, generator=torch.Generator().manual_seed(2))
    error = seam_error(base, latents, 128)
    assert error.borders < 1.1 * error.elsewhere
    assert error.edge < 1.5
    whole = base.decode(latents)
    base.vae.enable_tiling()
    base.vae.tile_sample_min_size, base.vae.tile_latent_min_size = 128, 32
    theirs = (base.decode(latents).clamp(-1, 1) - whole.clamp(-1, 1)).abs().mean() * 127.5
    assert error.mean < theirs


def test_the_measurement_sees_a_seam_where_there_is_one(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    latents = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(2))
    whole = base.decode(latents)
    cut = whole.clone()
    cut[..., 128:] += 0.2

    monkeypatch.setattr(base, "decode", lambda latents: whole if base.plan.tile is None else cut)
    error = seam_error(base, latents, 128)
    assert error.edge > 5


def _ramps() -> torch.Tensor:
    ramp = torch.linspace(-1, 1, 256)
    return torch.stack([ramp[:, None] * ramp, ramp[:, None].expand(-1, 256), ramp.expand(256, -1)])[None]


def test_encoding_in_tiles_is_encoding(base: Base) -> None:
    whole, _ = base.encode(_ramps())
    base.plan = replace(base.plan, tile=128)
    tiled, spread = base.encode(_ramps())
    assert spread is None
    assert (tiled - whole).abs().mean() < 0.02 * whole.std()


def test_the_spread_of_a_full_vae_is_tiled_with_its_mean(base: Base) -> None:
    base.vae = _full_vae()
    whole, spread = base.encode(_ramps())
    base.plan = replace(base.plan, tile=128)
    tiled, tiled_spread = base.encode(_ramps())
    assert spread is not None
    assert tiled_spread is not None
    assert tiled.shape == whole.shape == tiled_spread.shape
    assert (tiled_spread / spread - 1).abs().mean() < 0.2
