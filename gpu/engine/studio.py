"""Runs specs on a device, with the base kept warm between them. Its import is the first import of torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TypeVar

import torch

from gpu.engine import memory
from gpu.engine.catalogue import describe
from gpu.engine.contract import PictureSpec, Spec
from gpu.engine.lora import Mixer
from gpu.engine.memory import Plan
from gpu.engine.models import Base, Shelf, Use
from gpu.engine.pipelines import painting
from gpu.engine.report import Report

T = TypeVar("T")

# Which module runs a kind of job, by its `run(spec, studio, report)`; imported when it is first asked for.
MODULES = {
    "text_to_image": "gpu.engine.pipelines.text_to_image",
    "image_to_image": "gpu.engine.pipelines.image_to_image",
    "inpaint": "gpu.engine.pipelines.inpaint",
    "outpaint": "gpu.engine.pipelines.outpaint",
    "upscale": "gpu.engine.pipelines.upscale",
    "image_to_video": "gpu.engine.pipelines.image_to_video",
    "camera_move": "gpu.engine.pipelines.camera_move",
    "study": "gpu.engine.study",
    "train_lora": "gpu.engine.train_lora",
}


class Studio:
    """The device, what is loaded on it, and the memory plan of the job that runs. One job at a time."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.profile = memory.profile_of(device)
        memory.enforce(self.profile, device)
        self.plan = Plan(profile=self.profile.name)
        self._shelf = Shelf(device)
        self._mixer: Mixer | None = None

    def warm_up(self, base: str) -> None:
        """Loads a base and takes one step with it, so that the first picture does not pay for it."""
        facts = describe(base)
        width, height = facts.sizes[0]
        loaded = self._shelf.take(base, "pictures")
        loaded.adopt(memory.plans("picture", facts, profile=self.profile, width=width, height=height)[0])
        if self.device == "cpu":  # nothing is compiled there, so any size will do
            width = height = loaded.stride
        recipe = painting.Recipe(
            prompt="", negative_prompt="", width=width, height=height, steps=1, guidance=2.0, seed=0
        )
        loaded.decode(painting.denoise(loaded, recipe))

    def run(self, spec: Spec, report: Report) -> None:
        """One job. Raises Failure or Interrupted."""
        if self.device != "cpu":
            torch.cuda.reset_peak_memory_stats(self.device)
        run = import_module(MODULES[spec.kind]).run
        self.plan = Plan(profile=self.profile.name)
        if not isinstance(spec, PictureSpec):
            run(spec, self, report)
            return
        ladder = memory.plans(
            "picture",
            describe(spec.base),
            profile=self.profile,
            width=spec.width,
            height=spec.height,
            guided=spec.guidance > 1,
        )
        self.climb(ladder, lambda plan: run(spec, self, report), report)

    def climb(self, ladder: Sequence[Plan], attempt: Callable[[Plan], T], report: Report) -> T:
        """`memory.climb`, with each plan adopted by the base that the attempt asks for."""

        def by(plan: Plan) -> T:
            self.plan = plan
            return attempt(plan)

        return memory.climb(ladder, by, report)

    def base(self, name: str, use: Use, report: Report) -> tuple[Base, Mixer]:
        """A base, arranged by the job's plan, and the mixer of styles into it; loaded if it is not the warm one."""
        report.phase("preparing")
        if not self._shelf.has(name, use):
            with report.loading():
                self._bare()
                if not self._shelf.keeps(name):
                    self._mixer = None  # it would hold the old base while the new one is read
                self._shelf.take(name, use)
        base = self._shelf.take(name, use)
        if self._mixer is None or self._mixer.base is not base:
            self._mixer = Mixer(base)
        if base.plan.storage != self.plan.storage:
            self._bare()
        base.adopt(self.plan)
        return base, self._mixer

    def clear(self) -> None:
        """Frees the device for models of another family."""
        self._bare()
        self._shelf.clear()
        if self._mixer is not None and not self._shelf.keeps(self._mixer.base.facts.name):
            self._mixer = None
            memory.free()

    def _bare(self) -> None:
        """Before a base changes its precision or its place: what is kept of it knows no styles."""
        if self._mixer is not None:
            self._mixer.mix([])
