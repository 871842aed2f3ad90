"""A part of a picture made anew; the rest stays to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gpu.engine.contract import InpaintSpec
from gpu.engine.lora import Mixer
from gpu.engine.models import Base
from gpu.engine.pipelines import masks
from gpu.engine.pipelines.hole_filler import filling
from gpu.engine.pipelines.patches import patch_around, redraw
from gpu.engine.pipelines.sources import read_mask, read_picture
from gpu.engine.pipelines.work import Work, finish
from gpu.engine.report import Report

if TYPE_CHECKING:
    from gpu.engine.studio import Studio


def run(spec: InpaintSpec, studio: Studio, report: Report) -> None:
    """Draws what the mask marks. The picture keeps its size; `width` × `height` is what the base works on at most."""
    source = read_picture(spec.source)
    mask = read_mask(spec.mask, source.size)
    base, mixer = studio.base(spec.base, "pictures", report)
    make(spec, source, mask, base, mixer, report)


def make(spec: InpaintSpec, source: Image.Image, mask: np.ndarray, base: Base, mixer: Mixer, report: Report) -> None:
    """The same on a base that is there."""
    soft = masks.feathered(mask, spec.feather)
    patch = patch_around(mask, base, spec.width * spec.height)
    with filling(spec, base, mixer, report) as (painter, styles):
        work = Work.begin(spec, painter, styles, report)
        picture = redraw(work, source, soft, patch, spec.strength)
    finish(spec, picture, report, steps=work.steps)
