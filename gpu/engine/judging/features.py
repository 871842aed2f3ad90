"""What a picture shows, and how it is made: features of a small network that learned to name things.

Late layers answer to what is seen and hardly to how it is drawn; the statistics of early layers answer to strokes,
edges and colours wherever they stand (Gatys et al. 2016, "Image Style Transfer Using Convolutional Neural Networks").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gpu.engine.judging.network import Network, load, weights_file

Floats = NDArray[np.floating[Any]]

SIDE = 224  # pixels, as the network learned
AT_ONCE = 8
STYLE_STAGES = (0, 1, 2, 3)  # the stem and the stages that see 2 to 8 pixels a step


@dataclass(frozen=True)
class Features:
    """Of n pictures: `content` (n, 1280), unit length; `style` (n, 2 × channels), mean and spread of early layers."""

    content: Floats
    style: Floats

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self, chosen: Sequence[int] | slice) -> Features:
        return Features(self.content[chosen], self.style[chosen])


def available() -> bool:
    """Whether the weights are installed. Nothing else is needed, and nothing is fetched."""
    return weights_file() is not None


@lru_cache(maxsize=1)
def _network() -> Network:
    path = weights_file()
    assert path is not None, "asked before `available`"
    return load(path)


def describe(images: Iterable[Image.Image]) -> Floats:
    """What the pictures show: (n, 1280) float32, unit length."""
    return features(images).content


@torch.no_grad()
def features(images: Iterable[Image.Image]) -> Features:
    """Both, on the CPU: about 20 ms a picture. Whole pictures, squeezed to a square."""
    content, style = [], []
    for pixels in _batches(images):
        seen, head = _network()(pixels)
        content.append(torch.nn.functional.normalize(head, dim=1))
        style.append(torch.cat([_statistics(seen[stage]) for stage in STYLE_STAGES], dim=1))
    return Features(torch.cat(content).numpy(), torch.cat(style).numpy())


def _batches(images: Iterable[Image.Image]) -> Iterable[Tensor]:
    waiting: list[Tensor] = []
    for image in images:
        waiting.append(_pixels(image))
        if len(waiting) == AT_ONCE:
            yield torch.stack(waiting)
            waiting = []
    if waiting:
        yield torch.stack(waiting)


def _pixels(image: Image.Image) -> Tensor:
    """(3, SIDE, SIDE) in -1..1."""
    square = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(square, dtype=np.float32) / 127.5 - 1).permute(2, 0, 1)


def _statistics(seen: Tensor) -> Tensor:
    """Mean and spread of each channel over the whole picture: (n, 2 × channels)."""
    return torch.cat([seen.mean((2, 3)), seen.std((2, 3))], dim=1)
