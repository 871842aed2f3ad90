"""Pictures from words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from gpu.engine.contract import Artifact, TextToImageSpec
from gpu.engine.lora import Mixer
from gpu.engine.models import Base
from gpu.engine.pipelines.painting import Pace, Recipe, check_size, paint, preview
from gpu.engine.report import Report

if TYPE_CHECKING:
    from gpu.engine.studio import Studio


def run(spec: TextToImageSpec, studio: Studio, report: Report) -> None:
    """Makes one picture, writes `picture.png` below the spec's `out_dir` and says so."""
    make(spec, *studio.base(spec.base, "pictures", report), report)


def make(spec: TextToImageSpec, base: Base, mixer: Mixer, report: Report) -> None:
    """The same on a base that is there."""
    recipe = Recipe(
        prompt=spec.prompt,
        negative_prompt=spec.negative_prompt,
        width=spec.width,
        height=spec.height,
        steps=spec.steps,
        guidance=spec.guidance,
        seed=spec.seed,
    )
    check_size(base, recipe.width, recipe.height)
    report.phase("preparing")
    mixer.mix(spec.styles)
    report.check()
    report.phase("denoising")
    pace = Pace(report)

    def on_step(step: int, steps: int, expected: Tensor) -> None:
        report.check()
        pace.step(step, steps)
        if step < steps:
            report.preview(step, lambda: preview(base, expected))

    picture = paint(base, recipe, on_step)
    report.check()
    report.phase("finishing")
    path = Path(spec.out_dir) / "picture.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    report.progress(1.0, step=spec.steps, steps=spec.steps, eta=0.0)
    report.send(Artifact(job=report.job, path=str(path), width=picture.width, height=picture.height, seed=spec.seed))
