"""A picture continued beyond its edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from gpu.engine.contract import OutpaintSpec
from gpu.engine.failures import bad_spec
from gpu.engine.lora import Mixer
from gpu.engine.models import Base
from gpu.engine.pipelines import masks
from gpu.engine.pipelines.hole_filler import filling
from gpu.engine.pipelines.patches import patch_around, redraw
from gpu.engine.pipelines.sources import read_picture
from gpu.engine.pipelines.work import Work, finish
from gpu.engine.report import Report

if TYPE_CHECKING:
    from gpu.engine.studio import Studio

# How much of the schedule is gone through: what is left of the colours that the edges lend keeps the base from
# beginning another picture beside the first. A UNet that was taught to fill holes sees the first, and needs no hold.
STRENGTH = 0.7
STRENGTH_TAUGHT = 0.99
AREA = 1.5  # of the base's native area: what it can draw at once without losing the whole out of sight
GRAIN = 12.0  # of 255: noise on the lent colours, for the VAE knows no picture as smooth as they are


def run(spec: OutpaintSpec, studio: Studio, report: Report) -> None:
    """Draws what lies beyond the source; its own pixels stay to the last bit, but for the seam (`feather`)."""
    source = scaled(read_picture(spec.source), spec.scale)
    known = place_of(spec, source)
    base, mixer = studio.base(spec.base, "pictures", report)
    make(spec, source, known, base, mixer, report)


def scaled(source: Image.Image, scale: float) -> Image.Image:
    if scale == 1:
        return source
    size = max(1, round(source.width * scale)), max(1, round(source.height * scale))
    return source.resize(size, Image.Resampling.LANCZOS)


def place_of(spec: OutpaintSpec, source: Image.Image) -> np.ndarray:
    """Where the source lies on the new picture, (h, w). Raises Failure if it lies beyond it, or leaves nothing over."""
    known = np.zeros((spec.height, spec.width), dtype=bool)
    known[spec.top : spec.top + source.height, spec.left : spec.left + source.width] = True
    if not known.any():
        raise bad_spec("The picture lies outside of the new frame. Move it inside.")
    if known.all():
        raise bad_spec("The picture fills the new frame: there is nothing to draw. Make the frame larger.")
    return known


def make(spec: OutpaintSpec, source: Image.Image, known: np.ndarray, base: Base, mixer: Mixer, report: Report) -> None:
    """The same on a base that is there."""
    canvas = extended(source, known, spec.left, spec.top, spec.seed)
    mask = masks.seam(known, spec.feather)
    patch = patch_around(mask, base, round(AREA * base.facts.native**2))
    with filling(spec, base, mixer, report) as (painter, styles):
        work = Work.begin(spec, painter, styles, report)
        picture = redraw(work, canvas, mask, patch, STRENGTH if painter is base else STRENGTH_TAUGHT)
    finish(spec, picture, report, steps=work.steps)


def extended(source: Image.Image, known: np.ndarray, left: int, top: int, seed: int) -> Image.Image:
    """The new picture with the source in its place, and its edges' colours, ever softer and with grain, beyond."""
    height, width = known.shape
    inner = np.asarray(source)[: height - top, : width - left]
    below, right = height - top - inner.shape[0], width - left - inner.shape[1]
    spread = np.pad(inner, ((top, below), (left, right), (0, 0)), mode="edge")
    soft = Image.fromarray(spread).filter(ImageFilter.GaussianBlur(max(4, min(height, width) / 24)))
    grain = np.random.default_rng(seed).normal(0, GRAIN, spread.shape)
    lent = np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(np.where(known[..., None], spread, lent))
