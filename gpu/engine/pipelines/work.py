"""What every picture job does, whatever its tool: tier and styles, the loop with its progress, the finished file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image
from torch import Tensor

from gpu.engine import hub
from gpu.engine.catalogue import Size, model
from gpu.engine.contract import Adapted, Artifact, PictureSpec, StyleWeight
from gpu.engine.lora import Mixer
from gpu.engine.models import Base
from gpu.engine.pipelines.painting import Pace, Recipe, Start, paint, preview, recipe_of
from gpu.engine.pipelines.painting.previews import Frame
from gpu.engine.pipelines.painting.reuse import STEPS
from gpu.engine.pipelines.sources import to_pixels
from gpu.engine.report import Report

NO_FAST = "The model for fast pictures is not on this machine, so this one was drawn in the usual, finer way."


@dataclass
class Work:
    """One picture job on a base that is there, its styles mixed."""

    base: Base
    mixer: Mixer
    recipe: Recipe
    styles: Sequence[StyleWeight]  # the few-step LoRA among them, if the tier needs it
    report: Report
    steps: int = 0  # that the loop has taken

    @classmethod
    def begin(cls, spec: PictureSpec, base: Base, mixer: Mixer, report: Report) -> Work:
        report.phase("preparing")
        recipe, styles = by_tier(recipe_of(spec), spec.styles, base, report)
        mixer.mix(styles)
        report.check()
        return cls(base=base, mixer=mixer, recipe=recipe, styles=styles, report=report)

    def encode(self, picture: Image.Image) -> Tensor:
        """Scaled latents of a picture."""
        return self.base.encode(to_pixels(picture))[0]

    def paint(
        self,
        *,
        size: Size | None = None,
        start: Start | None = None,
        tile: Size | None = None,
        frame: Frame | None = None,
    ) -> Image.Image:
        """The loop, with progress, previews and an ear for the worker. See `painting.paint`."""
        self.report.check()
        self.report.phase("denoising")
        pace = Pace(self.report)

        def on_step(step: int, steps: int, expected: Tensor) -> None:
            self.report.check()
            self.steps = step
            pace.step(step, steps)
            if step < steps:
                self.report.preview(step, lambda: preview(self.base, expected, frame))

        width, height = size or (self.recipe.width, self.recipe.height)
        recipe = replace(self.recipe, width=width, height=height)
        return paint(self.base, recipe, on_step, start=start, tile=tile, check=self.report.check)


def by_tier(
    recipe: Recipe, styles: Sequence[StyleWeight], base: Base, report: Report
) -> tuple[Recipe, Sequence[StyleWeight]]:
    """The recipe and the styles as the tier wants them. *fast* gives way to *fine* where its model is missing."""
    if recipe.tier == "draft":
        return replace(recipe, steps=max(1, round(STEPS * recipe.steps))), styles
    if recipe.tier == "fine":
        return recipe, styles
    facts = base.facts
    if not facts.fast or not hub.present(model(facts.fast)):
        report.send(Adapted(job=report.job, code="fine_tier", say=NO_FAST))
        return replace(recipe, tier="fine", steps=facts.steps, guidance=facts.guidance), styles
    file = model(facts.fast).files[0]
    path = hub.folder_of(model(facts.fast)) / file.path
    few_steps = StyleWeight(path=str(path), sha256=file.sha256, weight=1.0)
    return replace(recipe, steps=facts.fast_steps, guidance=1.0), [*styles, few_steps]


def finish(spec: PictureSpec, picture: Image.Image, report: Report, *, steps: int = 0, say: str = "") -> None:
    """Writes `picture.png` below the spec's `out_dir`, and says what it is and what it comes near to.

    `steps` are those that the loop took.
    """
    report.check()
    report.phase("finishing")
    path = Path(spec.out_dir) / "picture.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    if any(style.works for style in spec.styles):
        from gpu.engine.judging import works  # its network is read only where there is something to compare with

        works.compare(spec.styles, picture, report)
    report.progress(1.0, step=steps, steps=steps, eta=0.0)
    report.send(
        Artifact(job=report.job, path=str(path), width=picture.width, height=picture.height, seed=spec.seed, say=say)
    )
