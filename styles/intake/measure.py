"""Figures of a picture: what it looks like to a duplicate finder and to the dataset report. Numpy alone."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float32]
Floats = NDArray[np.floating[Any]]

SEEN_SIDE = 1024  # sharpness is judged at the size at which the largest base sees a picture
COLOUR_SIDE = 128
HUES = 12
TONE = 0.42  # the mean colour times this is a quiet ground before the picture comes
BORDER = 0.04  # of the shorter side
WHITE = 0.94


def sharpness(image: Image.Image) -> float:
    """Variance of the Laplacian over the variance of the grey values, so that soft contrast is no blur. About 0..2."""
    grey = _grey(_fitted(image, SEEN_SIDE))
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return round(float(laplacian.var() / max(float(grey.var()), 1e-6)), 6)


def phash(image: Image.Image) -> int:
    """Signed 64-bit perceptual hash: signs of the lowest 8 × 8 cosine terms around their median (Zauner, 2010)."""
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), dtype=np.float32)
    low = _COSINES @ grey @ _COSINES.T
    terms = low.ravel()
    bits = terms > np.median(terms[1:])
    return int(np.packbits(bits).view(">i8")[0])


def _cosines(rows: int, size: int) -> Array:
    frequency, place = np.arange(rows)[:, None], np.arange(size)[None, :]
    return np.cos(np.pi * frequency * (2 * place + 1) / (2 * size)).astype(np.float32)


_COSINES = _cosines(8, 32)


def tone(image: Image.Image) -> str:
    """The mean colour, darkened, as `#rrggbb`."""
    mean = np.asarray(image.resize((32, 32), Image.Resampling.BOX), dtype=np.float32).mean(axis=(0, 1)) * TONE
    return "#" + "".join(f"{round(float(value)):02x}" for value in mean)


def blur(image: Image.Image) -> str:
    """A few pixels of the picture as a data URI: what stands there while the file comes."""
    tiny = image.copy()
    tiny.thumbnail((16, 16), Image.Resampling.BOX)
    out = io.BytesIO()
    tiny.save(out, "WEBP", quality=50, method=6)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()


def features(image: Image.Image) -> dict[str, Any]:
    """Figures from 0 to 1 for the report: light, contrast, saturation, hues, white border, detail."""
    small = np.asarray(_fitted(image, COLOUR_SIDE), dtype=np.float32) / 255
    high, low = small.max(axis=2), small.min(axis=2)
    spread = high - low
    saturation = spread / np.maximum(high, 1e-3)
    grey = small @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    white = (grey > WHITE) & (spread < 0.08)
    detail = np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()
    figures = {
        "light": grey.mean(),
        "contrast": grey.std() * 2,
        "saturation": saturation.mean(),
        "dark": (grey < 0.2).mean(),
        "white": white.mean(),
        "white_edge": _border(white).mean(),
        "detail": detail,
    }
    return {name: round(float(value), 4) for name, value in figures.items()} | {"hues": _hues(small, high, spread)}


def _hues(small: Floats, high: Floats, spread: Floats) -> list[float]:
    """Share of each twelfth of the colour circle, red first, weighted by how strong the colour is."""
    red, green, blue = small[..., 0], small[..., 1], small[..., 2]
    safe = np.maximum(spread, 1e-6)
    hue = np.where(
        high == red,
        ((green - blue) / safe) % 6,
        np.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    bins = np.floor(hue * 2 + 0.5).astype(int) % HUES
    weight = np.bincount(bins.ravel(), weights=(spread * (spread > 0.06)).ravel(), minlength=HUES)
    total = weight.sum()
    return [round(float(value), 4) for value in (weight / total if total > 0 else weight)]


def _border(values: NDArray[np.bool_]) -> NDArray[np.bool_]:
    width = max(1, round(min(values.shape) * BORDER))
    inside = np.zeros(values.shape, dtype=bool)
    inside[width:-width, width:-width] = True
    border: NDArray[np.bool_] = values[~inside]
    return border


def _grey(image: Image.Image) -> Array:
    return np.asarray(image.convert("L"), dtype=np.float32)


def _fitted(image: Image.Image, side: int) -> Image.Image:
    if max(image.size) <= side:
        return image
    fitted = image.copy()
    fitted.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return fitted
