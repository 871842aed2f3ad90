"""Large tensors in overlapping pieces, put together again so that no seam shows.

Each piece is weighed by half a cosine towards its inner borders and the sum divided by the weights, so that one piece
passes into the next without an edge (what lies at the picture's own border keeps its full weight).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from gpu.engine.models import Base

OVERLAP = Fraction(1, 4)  # of a tile's side, at least
MOST_ON_DEVICE = 4096 * 4096  # places of a sum; a larger one is made in host memory
SEAM = 8  # pixels on each side of a tile's border that count as its seam

Make = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Window:
    top: int
    left: int
    height: int
    width: int

    def of(self, whole: Tensor) -> Tensor:
        """(…, height, width) of a larger tensor."""
        return whole[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def scaled(self, scale: Fraction) -> Window:
        return Window(*(int(each * scale) for each in (self.top, self.left, self.height, self.width)))


def places(length: int, tile: int, step: int = 1) -> list[int]:
    """Where tiles begin along one side: evenly spread, overlapping by OVERLAP at least, at multiples of `step`."""
    if length <= tile:
        return [0]
    count = math.ceil((length - tile) / (tile * (1 - OVERLAP))) + 1
    last = length - tile
    return [round(last * number / (count - 1) / step) * step if number < count - 1 else last for number in range(count)]


def windows(height: int, width: int, tile: tuple[int, int], step: int = 1) -> list[Window]:
    """Windows of `tile` (height, width) that cover the whole, row by row."""
    high, wide = min(tile[0], height), min(tile[1], width)
    tops, lefts = places(height, high, step), places(width, wide, step)
    return [Window(top, left, high, wide) for top in tops for left in lefts]


def blend(parts: Iterator[tuple[Window, Tensor]], height: int, width: int) -> Tensor:
    """One tensor (…, height, width) in float32 from overlapping pieces, each (…, h, w) at its window."""
    total = weights = None
    for window, part in parts:
        if total is None or weights is None:
            device = part.device if height * width <= MOST_ON_DEVICE else torch.device("cpu")
            total = torch.zeros(*part.shape[:-2], height, width, device=device)
            weights = torch.zeros(height, width, device=device)
        share = _weight(window, height, width).to(total.device)
        window.of(total).add_(part.to(total.device, torch.float32) * share)
        window.of(weights).add_(share)
    assert total is not None, "there is at least one window"
    assert weights is not None
    return total.div_(weights)


def mapped(whole: Tensor, make: Make, *, tile: int, scale: Fraction, step: int = 1) -> Tensor:
    """`make` over a picture or its latents in tiles of `tile` × `tile`; its results are `scale` times as large.

    Windows begin at multiples of `step`, so that what is made smaller falls on whole places.
    """
    height, width = whole.shape[-2:]
    cut = windows(height, width, (tile, tile), step)
    parts = ((window.scaled(scale), make(window.of(whole))) for window in cut)
    return blend(parts, int(height * scale), int(width * scale))


def _weight(window: Window, height: int, width: int) -> Tensor:
    rows = _ramp(window.height, window.top > 0, window.top + window.height < height)
    columns = _ramp(window.width, window.left > 0, window.left + window.width < width)
    return rows[:, None] * columns[None, :]


def _ramp(length: int, rises: bool, falls: bool) -> Tensor:
    """1 within, falling to nearly 0 as half a cosine at the borders that have a neighbour."""
    place = (torch.arange(length) + 0.5) / max(1, int(length * OVERLAP))
    edge = 0.5 - 0.5 * torch.cos(math.pi * place.clamp(max=1))
    ramp = torch.ones(length)
    if rises:
        ramp = ramp * edge
    if falls:
        ramp = ramp * edge.flip(0)
    return ramp


# --- is there a seam? ---


@dataclass(frozen=True)
class SeamError:
    """How a picture decoded in tiles differs from one decoded whole: mean absolute differences on a scale of 0..255.

    `borders` looks within SEAM pixels of a tile's border alone, `elsewhere` at the rest. `edge` is what a seam is seen
    by: how much larger than in the whole picture the step is from one pixel to the next across a border.
    """

    mean: float
    borders: float
    elsewhere: float
    edge: float


def seam_error(base: Base, latents: Tensor, tile: int) -> SeamError:
    """Decodes scaled latents (1, c, h, w) whole and in tiles of `tile` pixels, and compares the two."""
    whole, tiled = _decoded(base, latents, None), _decoded(base, latents, tile)
    height, width = whole.shape[-2:]
    rows, columns = _borders(height, tile), _borders(width, tile)
    near = torch.zeros(height, width, dtype=torch.bool)
    for row in rows:
        near[max(0, row - SEAM) : row + SEAM] = True
    for column in columns:
        near[:, max(0, column - SEAM) : column + SEAM] = True
    difference = (tiled - whole).abs().mean(dim=(0, 1))
    steps = [(picture[..., row, :] - picture[..., row - 1, :]).abs() for row in rows for picture in (tiled, whole)]
    steps += [(picture[..., at] - picture[..., at - 1]).abs() for at in columns for picture in (tiled, whole)]
    edges = [float((steps[number] - steps[number + 1]).mean()) for number in range(0, len(steps), 2)]
    return SeamError(
        mean=float(difference.mean()),
        borders=float(difference[near].mean()) if bool(near.any()) else 0.0,
        elsewhere=float(difference[~near].mean()) if not bool(near.all()) else 0.0,
        edge=max([0.0, *edges]),
    )


def _decoded(base: Base, latents: Tensor, tile: int | None) -> Tensor:
    own = base.plan
    base.plan = replace(own, tile=tile)
    try:
        return base.decode(latents).clamp(-1, 1).cpu() * 127.5
    finally:
        base.plan = own


def _borders(length: int, tile: int) -> list[int]:
    """Where tiles begin or end within a picture."""
    starts = places(length, min(tile, length))
    return sorted({at for start in starts for at in (start, start + tile) if 0 < at < length})
