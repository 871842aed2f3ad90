"""Frames between two frames, from the motion that leads from one to the other.

Motion is found by Lucas and Kanade's method (1981) from coarse to fine: at every size of a pyramid the second frame is
warped by what is known so far, and what is left over is solved for within a small window. Both frames are then moved to
the moment between them (the flows at it as in Super SloMo, Jiang et al. 2018, equation 4) and mixed by nearness in
time. Where they do not agree, because something was covered or the motion was not found, the frames are cross-faded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

COARSEST = 12  # pixels of the shorter side at which the search begins
FINEST = 640  # pixels of the longer side at which it ends; finer motion is not seen in a film
ROUNDS = 4  # at each size
WINDOW = 7  # pixels, smoothed twice
DAMPING = 1e-4  # of squared gradients of values 0..1: where a window is flat, it keeps the coarser motion
DOUBT = 4e-4  # squared difference that counts as agreement


def smoothed(frames: Iterable[Tensor], factor: int) -> Iterator[Tensor]:
    """Each frame (3, h, w in 0..1) followed by `factor` - 1 between it and the next; the last is left out."""
    before: Tensor | None = None
    for frame in frames:
        if before is not None:
            yield before
            yield from between(before, frame, factor)
        before = frame


@torch.no_grad()
def between(first: Tensor, second: Tensor, factor: int) -> Iterator[Tensor]:
    """The `factor` - 1 frames that lie evenly between two."""
    if factor == 1:
        return
    a, b = first.unsqueeze(0).float(), second.unsqueeze(0).float()
    onward, back = flow(a, b), flow(b, a)
    apart = _soft((a - b).square().mean(dim=1, keepdim=True))
    for number in range(1, factor):
        t = number / factor
        from_a = warp(a, -(1 - t) * t * onward + t * t * back)
        from_b = warp(b, (1 - t) ** 2 * onward - t * (1 - t) * back)
        moved, faded = (1 - t) * from_a + t * from_b, (1 - t) * a + t * b
        doubt = _soft((from_a - from_b).square().mean(dim=1, keepdim=True))
        trust = (apart + DOUBT) / (apart + doubt + DOUBT)
        yield (trust * moved + (1 - trust) * faded).clamp(0, 1)[0]


@torch.no_grad()
def flow(a: Tensor, b: Tensor) -> Tensor:
    """Where each dot of `a` has gone in `b`: (1, 2, h, w) in pixels, across and down. Pictures are (1, 3, h, w)."""
    height, width = a.shape[-2:]
    found: Tensor | None = None
    for size in _sizes(height, width):
        small_a, small_b = _resized(a, size), _resized(b, size)
        found = torch.zeros(1, 2, *size, device=a.device) if found is None else _scaled(found, size)
        for _ in range(ROUNDS):
            found = _soft(found + _left_over(small_a, warp(small_b, found)), 5)
    assert found is not None
    return _scaled(found, (height, width))


def warp(picture: Tensor, motion: Tensor) -> Tensor:
    """What `picture` shows at each place moved by `motion`; beyond its edges the edge itself."""
    _, _, height, width = picture.shape
    rows = torch.arange(height, device=picture.device, dtype=picture.dtype).view(1, height, 1)
    columns = torch.arange(width, device=picture.device, dtype=picture.dtype).view(1, 1, width)
    across = (columns + motion[:, 0]) * 2 / max(1, width - 1) - 1
    down = (rows + motion[:, 1]) * 2 / max(1, height - 1) - 1
    places = torch.stack((across, down), dim=-1)
    return functional.grid_sample(picture, places, mode="bilinear", padding_mode="border", align_corners=True)


def _left_over(a: Tensor, b: Tensor) -> Tensor:
    """The small motion from `a` to `b` that best explains their difference in each window, a pixel at most."""
    across, down = _gradients((a + b) / 2)
    change = b - a
    xx = _window((across * across).sum(1, keepdim=True)) + DAMPING
    yy = _window((down * down).sum(1, keepdim=True)) + DAMPING
    xy = _window((across * down).sum(1, keepdim=True))
    xt = _window((across * change).sum(1, keepdim=True))
    yt = _window((down * change).sum(1, keepdim=True))
    determinant = xx * yy - xy * xy
    motion = torch.cat((xy * yt - yy * xt, xy * xt - xx * yt), dim=1) / determinant
    return motion.clamp(-1, 1)


def _gradients(picture: Tensor) -> tuple[Tensor, Tensor]:
    padded = functional.pad(picture, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return across, down


def _window(values: Tensor) -> Tensor:
    return _soft(_soft(values))


def _soft(values: Tensor, size: int = WINDOW) -> Tensor:
    """The mean around each place."""
    return functional.avg_pool2d(values, size, stride=1, padding=size // 2, count_include_pad=False)


def _sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Of the pyramid, the coarsest first, each about twice the one before."""
    shrink = max(1.0, max(height, width) / FINEST)
    sizes: list[tuple[int, int]] = []
    while min(height, width) / shrink >= COARSEST or not sizes:
        sizes.append((max(1, round(height / shrink)), max(1, round(width / shrink))))
        shrink *= 2
    return sizes[::-1]


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(picture.shape[-2:]) == size:
        return picture
    return functional.interpolate(picture, size=size, mode="bilinear", antialias=True)


def _scaled(motion: Tensor, size: tuple[int, int]) -> Tensor:
    """Motion for another size of the same pictures."""
    height, width = motion.shape[-2:]
    factors = torch.tensor([size[1] / width, size[0] / height], device=motion.device).view(1, 2, 1, 1)
    return functional.interpolate(motion, size=size, mode="bilinear") * factors
