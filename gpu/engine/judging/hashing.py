"""A 64-bit perceptual hash: signs of the lowest 8 × 8 cosine terms around their median (Zauner 2010, "pHash")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

BITS = 64
Hash = NDArray[np.uint8]  # eight bytes


def perceptual_hash(image: Image.Image) -> Hash:
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), dtype=np.float32)
    terms = (_COSINES @ grey @ _COSINES.T).ravel()
    return np.packbits(terms > np.median(terms[1:]))


def both_ways(image: Image.Image) -> list[Hash]:
    """Of the picture and of its mirror image: flips are common, and a hash does not see through them."""
    return [perceptual_hash(image), perceptual_hash(ImageOps.mirror(image))]


def differing_bits(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Of hashes (..., 8), broadcast against each other."""
    return np.unpackbits(left ^ right, axis=-1).sum(axis=-1, dtype=np.int64)


def _cosines(rows: int, size: int) -> NDArray[np.float32]:
    frequency, place = np.arange(rows)[:, None], np.arange(size)[None, :]
    return np.cos(np.pi * frequency * (2 * place + 1) / (2 * size)).astype(np.float32)


_COSINES = _cosines(8, 32)
