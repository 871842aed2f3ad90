"""Figures and small copies of pictures that we made ourselves: thumbnail, blur, tone, perceptual hash.

For pictures that came from outside there is a sandbox in the room that takes them in; nothing here is meant for those.
"""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

THUMB_SIDE = 640  # pixels of the longer side: sharp in the widest column of a wall on a dense screen
BLUR_SIDE = 16
TONE_SHARE = 0.6  # a mean colour is darkened so that a finished picture never looks duller than its box
HASH_SIDE = 8
HASH_SAMPLE = 32


@dataclass(frozen=True)
class Facts:
    """`size` is in bytes, `thumb` a WebP file, `blur` a data URI, `tone` “#rrggbb”, `phash` 64 bits, signed."""

    width: int
    height: int
    size: int
    sha256: str
    phash: int
    tone: str
    blur: str
    thumb: bytes


def facts(content: bytes, *, xmp: bytes = b"") -> Facts:
    """Everything a wall wants to know of a PNG. `xmp` goes into the thumbnail, which leaves the house on its own."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        picture = image.convert("RGB")
    return Facts(
        width=picture.width,
        height=picture.height,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        phash=perceptual_hash(picture),
        tone=tone(picture),
        blur=blur(picture),
        thumb=thumbnail(picture, xmp=xmp),
    )


def thumbnail(picture: Image.Image, *, side: int = THUMB_SIDE, xmp: bytes = b"") -> bytes:
    """WebP, never larger than the picture itself."""
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _webp(small, quality=82, xmp=xmp)


def square(picture: Image.Image, *, side: int) -> bytes:
    """WebP: the largest square of its middle, `side` pixels each way."""
    return _webp(ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.LANCZOS), quality=85)


def blur(picture: Image.Image) -> str:
    """A data URI of some 100 bytes that stands in the box until the file comes."""
    small = picture.copy()
    small.thumbnail((BLUR_SIDE, BLUR_SIDE), Image.Resampling.BOX)
    return "data:image/webp;base64," + base64.b64encode(_webp(small, quality=40)).decode()


def tone(picture: Image.Image) -> str:
    """The mean colour, darkened."""
    red, green, blue = (np.asarray(picture, dtype=np.float64).mean(axis=(0, 1)) * TONE_SHARE).round().astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def perceptual_hash(picture: Image.Image) -> int:
    """The signs of the lowest 8 × 8 cosine frequencies around their median: alike pictures differ in few bits."""
    grey = picture.convert("L").resize((HASH_SAMPLE, HASH_SAMPLE), Image.Resampling.BOX)
    waves = _cosines(HASH_SAMPLE, HASH_SIDE)
    low = (waves @ np.asarray(grey, dtype=np.float64) @ waves.T).ravel()
    bits = low > np.median(low[1:])  # the first is the mean brightness and says nothing of the shapes
    return int.from_bytes(np.packbits(bits).tobytes(), "big", signed=True)


def _cosines(samples: int, frequencies: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Rows of the DCT-II, shape (frequencies, samples)."""
    at = (np.arange(samples) + 0.5) * np.pi / samples
    waves: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.cos(np.outer(np.arange(frequencies), at))
    return waves


def _webp(picture: Image.Image, *, quality: int, xmp: bytes = b"") -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=quality, method=4, **({"xmp": xmp} if xmp else {}))
    return out.getvalue()
