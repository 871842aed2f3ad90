"""Pictures from a picture: its own latents under noise are where the drawing begins (Meng et al. 2021, SDEdit)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from gpu.engine.contract import ImageToImageSpec
from gpu.engine.lora import Mixer
from gpu.engine.models import Base
from gpu.engine.pipelines.painting import Start, check_size
from gpu.engine.pipelines.sources import fit, read_picture
from gpu.engine.pipelines.work import Work, finish
from gpu.engine.report import Report

if TYPE_CHECKING:
    from gpu.engine.studio import Studio


def run(spec: ImageToImageSpec, studio: Studio, report: Report) -> None:
    """Makes one picture from `source`, which is fitted to the size; `strength` decides where the schedule begins."""
    source = read_picture(spec.source)
    make(spec, source, *studio.base(spec.base, "pictures", report), report)


def make(spec: ImageToImageSpec, source: Image.Image, base: Base, mixer: Mixer, report: Report) -> None:
    """The same on a base that is there."""
    check_size(base, spec.width, spec.height)
    work = Work.begin(spec, base, mixer, report)
    start = Start(work.encode(fit(source, (spec.width, spec.height))), strength=spec.strength)
    finish(spec, work.paint(start=start), report, steps=work.steps)
