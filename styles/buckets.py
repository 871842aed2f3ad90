"""The size at which each work is seen in training, by the trainer's own rule, so that its fate is known before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from gpu.engine.catalogue import Size, buckets, describe, kept_share, nearest_bucket


@dataclass(frozen=True)
class Fate:
    """`kept` is the share of the picture's area that the centre crop leaves."""

    width: int
    height: int
    kept: float


def training_sizes() -> list[Size]:
    """The sizes on offer where this installation trains at its base's own resolution."""
    base = describe(settings.BASE_MODEL)
    return buckets(base.training.resolution, base.stride)


def fate(width: int, height: int, *, sizes: Sequence[Size]) -> Fate:
    size = nearest_bucket(width, height, sizes)
    return Fate(*size, kept_share(width, height, size))
