"""The sizes at which references are seen in training."""

from __future__ import annotations

from collections.abc import Sequence

Size = tuple[int, int]  # width, height

MAX_RATIO = 2.0  # beyond, a picture is cropped: SDXL saw few that are longer


def buckets(resolution: int, stride: int) -> list[Size]:
    """Sizes of about `resolution`² pixels, sides multiples of `stride`, between 1:MAX_RATIO and MAX_RATIO:1.

    For every width the tallest height that keeps the area (NovelAI's aspect-ratio bucketing, 2022).
    """
    area = resolution * resolution
    sizes = {(resolution // stride * stride,) * 2}
    for width in range(stride, int(resolution * MAX_RATIO) + 1, stride):
        height = area // width // stride * stride
        if height and max(width / height, height / width) <= MAX_RATIO:
            sizes.add((width, height))
    return sorted(sizes)


def nearest_bucket(width: int, height: int, sizes: Sequence[Size]) -> Size:
    """The size whose shape crops least; of two alike the larger one."""
    ratio = width / height

    def loss(size: Size) -> tuple[float, int]:
        own = size[0] / size[1]
        return round(max(own / ratio, ratio / own), 6), -size[0] * size[1]

    return min(sizes, key=loss)


def kept_share(width: int, height: int, size: Size) -> float:
    """Share of a picture's area that a centre crop to `size` leaves, 0..1."""
    ratio, own = width / height, size[0] / size[1]
    return min(ratio / own, own / ratio)
