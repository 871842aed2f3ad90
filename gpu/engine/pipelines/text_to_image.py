"""Pictures from words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpu.engine.contract import TextToImageSpec
from gpu.engine.lora import Mixer
from gpu.engine.models import Base
from gpu.engine.pipelines.painting import check_size
from gpu.engine.pipelines.work import Work, finish
from gpu.engine.report import Report

if TYPE_CHECKING:
    from gpu.engine.studio import Studio


def run(spec: TextToImageSpec, studio: Studio, report: Report) -> None:
    """Makes one picture, writes `picture.png` below the spec's `out_dir` and says so."""
    make(spec, *studio.base(spec.base, "pictures", report), report)


def make(spec: TextToImageSpec, base: Base, mixer: Mixer, report: Report) -> None:
    """The same on a base that is there."""
    check_size(base, spec.width, spec.height)
    work = Work.begin(spec, base, mixer, report)
    finish(spec, work.paint(), report, steps=work.steps)
