"""The size at which each work is seen in training, by the trainer's own rule, so that its fate is known before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

from gpu.engine.catalogue import describe

STRIDE = 32  # of every base in the catalogue: eight pixels a latent, and the UNet halves latents twice
MAX_RATIO = 2.0


@dataclass(frozen=True)
class Fate:
    """`kept` is the share of the picture's area that the centre crop leaves."""

    width: int
    height: int
    kept: float


def training_resolution() -> int:
    return describe(settings.BASE_MODEL).training.resolution


def fate(width: int, height: int, *, resolution: int) -> Fate:
    """The bucket whose shape crops least; of two alike the larger one."""
    ratio = width / height
    best = min(
        _sizes(resolution),
        key=lambda size: (round(max(size[0] / size[1] / ratio, ratio / (size[0] / size[1])), 6), -size[0] * size[1]),
    )
    own = best[0] / best[1]
    return Fate(best[0], best[1], min(ratio / own, own / ratio))


@lru_cache(maxsize=8)
def _sizes(resolution: int) -> list[tuple[int, int]]:
    area = resolution * resolution
    sizes = {(resolution // STRIDE * STRIDE,) * 2}
    for width in range(STRIDE, int(resolution * MAX_RATIO) + 1, STRIDE):
        height = area // width // STRIDE * STRIDE
        if height and max(width / height, height / width) <= MAX_RATIO:
            sizes.add((width, height))
    return sorted(sizes)
