"""Frames computed from motion, held against motion that is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gpu.engine.pipelines.image_to_video.between import between, flow, smoothed

SIDE = 128


def texture(seed: int, width: int = SIDE, height: int = SIDE) -> Tensor:
    """Soft blots in three colours, (3, h, w)."""
    rough = torch.rand(1, 3, height // 4, width // 4, generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(rough, size=(height, width), mode="bicubic").clamp(0, 1)[0]


def panned(shift: float, *, large: Tensor) -> Tensor:
    """A view of the middle of `large`, moved to the right by `shift` pixels, at sub-pixel places."""
    rows, columns = torch.meshgrid(torch.arange(SIDE) + 32.0, torch.arange(SIDE) + 32.0 + shift, indexing="ij")
    scale = 2 / (large.shape[-1] - 1)
    places = torch.stack((columns * scale - 1, rows * scale - 1), dim=-1).unsqueeze(0)
    return functional.grid_sample(large.unsqueeze(0), places, align_corners=True)[0]


def with_disc(across: float, *, ground: Tensor, cloth: Tensor) -> Tensor:
    """A disc of another texture over a ground that stands still."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    far = ((rows - 64.0) ** 2 + (columns - across) ** 2).sqrt()
    mask = (26 - far).clamp(0, 1)
    moved = functional.grid_sample(
        cloth.unsqueeze(0),
        torch.stack(((columns - across) / 64, (rows - 64) / 64), dim=-1).unsqueeze(0),
        align_corners=True,
        padding_mode="border",
    )[0]
    return ground * (1 - mask) + moved * mask


def psnr(one: Tensor, other: Tensor) -> float:
    return -10 * math.log10(float((one - other).square().mean()) + 1e-12)


@pytest.mark.parametrize("shift", [0.5, 3.0, 12.0])
def test_the_motion_of_a_pan_is_found(shift: float) -> None:
    large = texture(1, SIDE + 64, SIDE + 64)
    found = flow(panned(0, large=large).unsqueeze(0), panned(shift, large=large).unsqueeze(0))
    inner = found[..., 24:-24, 24:-24]
    assert (inner[:, 0] + shift).abs().mean() < 0.15
    assert inner[:, 1].abs().mean() < 0.1


@pytest.mark.parametrize("shift", [3.0, 12.0])
def test_between_two_views_of_a_pan_lies_the_view_between(shift: float) -> None:
    large = texture(2, SIDE + 64, SIDE + 64)
    a, b = panned(0, large=large), panned(shift, large=large)
    frames = list(between(a, b, 4))
    assert len(frames) == 3
    for number, frame in enumerate(frames, start=1):
        truth, faded = panned(shift * number / 4, large=large), a + (b - a) * number / 4
        inner = (..., slice(8, -8), slice(16, -16))  # what comes in at the edge was seen by one of them alone
        assert psnr(frame[inner], truth[inner]) > psnr(faded[inner], truth[inner]) + 6


def test_what_moves_before_a_still_ground_moves_and_the_ground_stays() -> None:
    ground, cloth = texture(3), texture(4)
    a, middle, b = (with_disc(place, ground=ground, cloth=cloth) for place in (56.0, 60.0, 64.0))
    (frame,) = between(a, b, 2)
    assert psnr(frame, middle) > psnr((a + b) / 2, middle) + 4
    assert (frame[:, :20] - ground[:, :20]).abs().max() < 0.02


def test_what_has_nothing_in_common_is_cross_faded() -> None:
    a, b = torch.zeros(3, 64, 64), torch.ones(3, 64, 64)
    (frame,) = between(a, b, 2)
    assert (frame - 0.5).abs().max() < 1e-3


def test_a_still_stays_a_still() -> None:
    picture = texture(5)
    for frame in between(picture, picture, 3):
        assert (frame - picture).abs().max() < 1e-4


def test_each_frame_is_kept_but_the_last() -> None:
    frames = [texture(seed, 32, 24) for seed in range(3)]
    film = list(smoothed(iter(frames), 4))
    assert len(film) == 8
    assert torch.equal(film[0], frames[0])
    assert torch.equal(film[4], frames[1])
    assert len(list(smoothed(iter(frames), 1))) == 2
