"""Runs specs on a device, with the base kept warm between them. Its import is the first import of torch."""

from __future__ import annotations

from importlib import import_module

import torch

from gpu.engine.contract import Spec
from gpu.engine.lora import Mixer
from gpu.engine.models import Base, Shelf, Use
from gpu.engine.pipelines import painting
from gpu.engine.report import Report

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
    """The device and what is loaded on it. One job at a time."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._shelf = Shelf(device)
        self._mixer: Mixer | None = None

    def warm_up(self, base: str) -> None:
        """Loads a base and takes one tiny step with it, so that the first picture does not pay for it."""
        loaded = self._shelf.take(base, "pictures")
        side = loaded.stride
        recipe = painting.Recipe(prompt="", negative_prompt="", width=side, height=side, steps=1, guidance=2.0, seed=0)
        loaded.decode(painting.denoise(loaded, recipe))

    def run(self, spec: Spec, report: Report) -> None:
        """One job. Raises Failure or Interrupted."""
        if self.device != "cpu":
            torch.cuda.reset_peak_memory_stats(self.device)
        import_module(MODULES[spec.kind]).run(spec, self, report)

    def base(self, name: str, use: Use, report: Report) -> tuple[Base, Mixer]:
        """A base and the mixer that puts styles into it, loaded if it is not the one that is warm."""
        report.phase("preparing")
        if not self._shelf.has(name, use):
            with report.loading():
                self._shelf.take(name, use)
        base = self._shelf.take(name, use)
        if self._mixer is None or self._mixer.base is not base:
            self._mixer = Mixer(base)
        return base, self._mixer

    def clear(self) -> None:
        """Frees the device for models of another family."""
        self._mixer = None
        self._shelf.clear()
