"""A part of a picture drawn anew: what *inpaint* and *outpaint* have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from gpu.engine.catalogue import Size
from gpu.engine.models import Base
from gpu.engine.pipelines import masks
from gpu.engine.pipelines.painting import Start
from gpu.engine.pipelines.sources import to_pixels
from gpu.engine.pipelines.work import Work

AROUND = 1.5  # sides of what the base is shown, in sides of what it is to draw: it has to see where that goes
LEAST = 0.5  # of the base's native size; a smaller part would be magnified beyond what its surroundings bear


@dataclass(frozen=True)
class Patch:
    """`box` (left, top, right, bottom) of a picture, drawn at `size`."""

    box: tuple[int, int, int, int]
    size: Size

    @property
    def extent(self) -> Size:
        left, top, right, bottom = self.box
        return right - left, bottom - top


def patch_around(mask: np.ndarray, base: Base, area: int) -> Patch:
    """What has to be shown to the base so that it can draw what `mask` (h, w) marks, on at most `area` pixels.

    A small mark is shown enlarged, with its surroundings: the base draws best what fills the size it knows.
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    least = base.facts.native * LEAST
    wide = max(AROUND * (columns[-1] - columns[0] + 1), least)
    high = max(AROUND * (rows[-1] - rows[0] + 1), least)
    wide, high = max(wide, high / 2), max(high, wide / 2)  # no base has seen pictures much longer than that
    left, right = _within((columns[0] + columns[-1] + 1) / 2, wide, width, base.stride)
    top, bottom = _within((rows[0] + rows[-1] + 1) / 2, high, height, base.stride)
    scale = math.sqrt(area / ((right - left) * (bottom - top)))
    scale = min(scale, 1 / LEAST)
    if 1 <= scale < 1.1:
        scale = 1.0  # too little is gained to give up the exact place of every pixel
    size = tuple(max(1, round(side * scale / base.stride)) * base.stride for side in (right - left, bottom - top))
    return Patch(box=(left, top, right, bottom), size=(size[0], size[1]))


def _within(centre: float, side: float, length: int, stride: int) -> tuple[int, int]:
    """Bounds of about `side` pixels around a centre within 0..length, a multiple of the stride apart if that fits."""
    whole = min(length, math.ceil(side / stride) * stride)
    first = min(max(0, round(centre - whole / 2)), length - whole)
    return first, first + whole


def redraw(work: Work, picture: Image.Image, mask: np.ndarray, patch: Patch, strength: float) -> Image.Image:
    """The picture with what `mask` marks drawn anew; where the mask is 0 it stays to the last bit.

    In the loop the source's latents are put back outside the mask at every noise level (Lugmayr et al. 2022,
    arXiv:2201.09865, without its repetitions). A UNet that was taught to fill holes is told of them besides.
    """
    left, top, right, bottom = patch.box
    part = mask[top:bottom, left:right]
    shown = picture.crop(patch.box).resize(patch.size, Image.Resampling.LANCZOS)
    marked = masks.resized(part, patch.size)
    free = masks.of_latents(marked, work.base.scale)
    hints = None
    if work.base.unet.config["in_channels"] > work.base.unet.config["out_channels"]:
        hole = torch.from_numpy((marked > 0).astype(np.float32))[None, None]
        known = work.base.encode(to_pixels(shown) * (1 - hole))[0]
        hints = torch.cat([masks.of_latents((marked > 0).astype(np.float32), work.base.scale).to(known), known], dim=1)

    def put_back(drawn: Image.Image) -> Image.Image:
        drawn = drawn.resize(patch.extent, Image.Resampling.LANCZOS)
        whole = picture.copy()
        whole.paste(masks.paste(picture.crop(patch.box), drawn, part), (left, top))
        return whole

    start = Start(work.encode(shown), strength=strength, free=free, hints=hints)
    return put_back(work.paint(size=patch.size, start=start, frame=put_back))
