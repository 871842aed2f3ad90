"""Masks as arrays (h, w) from 0 (the source stays) to 1 (drawn anew), and their soft edges."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gpu.engine.catalogue import Size

Array = np.ndarray


def depth(inside: Array, most: int) -> Array:
    """How far each pixel of `inside` lies from the nearest pixel outside, in pixels and at most `most` + 1.

    Euclidean, exact up to that; beyond the picture nothing is outside. Columns first, then rows (after Felzenszwalb and
    Huttenlocher 2012, with the search cut at `most`).
    """
    far = float(most + 1)
    height, width = inside.shape
    down = np.where(inside, far, 0.0).astype(np.float32)
    for row in range(1, height):
        down[row] = np.minimum(down[row], down[row - 1] + 1)
    for row in range(height - 2, -1, -1):
        down[row] = np.minimum(down[row], down[row + 1] + 1)
    squared = down**2
    nearest = squared.copy()
    for aside in range(1, min(most, width - 1) + 1):
        away = np.float32(aside**2)
        np.minimum(nearest[:, aside:], squared[:, :-aside] + away, out=nearest[:, aside:])
        np.minimum(nearest[:, :-aside], squared[:, aside:] + away, out=nearest[:, :-aside])
    return np.minimum(np.sqrt(nearest), far)


def feathered(mask: Array, width: int) -> Array:
    """A mask whose edge rises from 0 to its full value over `width` pixels inwards; black stays exactly 0.

    A stroke too thin for that rises as far as it is deep.
    """
    if width == 0:
        return mask
    deep = depth(mask > 0, width)
    return mask * _eased(deep / (min(width, int(deep.max())) + 1))


def seam(known: Array, width: int) -> Array:
    """A mask for all that is not known, falling from 1 to 0 over `width` pixels into what is."""
    if width == 0:
        return (~known).astype(np.float32)
    return 1 - _eased(depth(known, width) / (width + 1))


def _eased(share: Array) -> Array:
    """Half a cosine from 0 to 1: a straight ramp shows its two ends."""
    return (0.5 - 0.5 * np.cos(np.pi * np.clip(share, 0, 1))).astype(np.float32)


def resized(mask: Array, size: Size) -> Array:
    """At another size (width, height)."""
    if (mask.shape[1], mask.shape[0]) == size:
        return mask
    return np.clip(np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BILINEAR)), 0, 1)


def of_latents(mask: Array, scale: int) -> Tensor:
    """(1, 1, h, w): of the pixels that a latent stands for, the one that is drawn the most."""
    return torch.nn.functional.max_pool2d(torch.from_numpy(np.ascontiguousarray(mask))[None, None], scale)


def paste(source: Image.Image, new: Image.Image, mask: Array) -> Image.Image:
    """`new` over `source` where the mask is above 0; everywhere else the source to the last bit."""
    old, fresh = np.asarray(source, dtype=np.float32), np.asarray(new, dtype=np.float32)
    share = mask[..., None]
    mixed = np.rint(old * (1 - share) + fresh * share).astype(np.uint8)
    return Image.fromarray(np.where(share > 0, mixed, np.asarray(source)))
