"""A picture enlarged, with detail drawn anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gpu.engine.catalogue import describe
from gpu.engine.contract import UpscaleSpec
from gpu.engine.failures import bad_spec
from gpu.engine.lora import Mixer
from gpu.engine.models import Base
from gpu.engine.pipelines.enlarging import enlarge
from gpu.engine.pipelines.painting import Start, check_size
from gpu.engine.pipelines.sources import read_picture
from gpu.engine.pipelines.work import Work, finish
from gpu.engine.report import Report

if TYPE_CHECKING:
    from gpu.engine.studio import Studio

LONGEST = 8192  # pixels of the enlarged picture's longer side


def run(spec: UpscaleSpec, studio: Studio, report: Report) -> None:
    """Enlarges the source, then draws detail at `strength` in tiles of `width` × `height`, the size the base knows.

    At strength 0 no base is asked for.
    """
    report.phase("preparing")
    source = read_picture(spec.source)
    if max(source.size) * spec.factor > LONGEST:
        raise bad_spec(
            f"The picture would have more than {LONGEST} pixels a side. Choose a smaller factor or picture.",
            detail=f"{source.width}x{source.height} times {spec.factor}",
        )
    large, say = enlarge(source, spec.factor, describe(spec.base).upscaler, studio.device, report)
    if spec.strength == 0:
        finish(spec, large, report, say=say)
        return
    base, mixer = studio.base(spec.base, "pictures", report)
    make(spec, large, base, mixer, report, say=say)


def make(spec: UpscaleSpec, large: Image.Image, base: Base, mixer: Mixer, report: Report, *, say: str = "") -> None:
    """The same on a base that is there, from the picture that is enlarged already.

    All tiles are windows of one picture under one field of noise, which is denoised as a whole (`Prediction`).
    """
    check_size(base, spec.width, spec.height)
    work = Work.begin(spec, base, mixer, report)
    whole = _padded(large, base.stride)
    start = Start(work.encode(whole), strength=spec.strength)
    drawn = work.paint(size=whole.size, start=start, tile=(spec.width, spec.height))
    finish(spec, drawn.crop((0, 0, *large.size)), report, steps=work.steps, say=say)


def _padded(picture: Image.Image, stride: int) -> Image.Image:
    """Sides made multiples of the stride by repeating the last pixels; cut off again in the end."""
    right, below = -picture.width % stride, -picture.height % stride
    return Image.fromarray(np.pad(np.asarray(picture), ((0, below), (0, right), (0, 0)), mode="edge"))
