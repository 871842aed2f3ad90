"""Runs specs on a device, with the base kept warm between them. Its import is the first import of torch."""

from __future__ import annotations

import torch

from gpu.engine import train_lora
from gpu.engine.contract import Spec, TextToImageSpec
from gpu.engine.lora import Mixer
from gpu.engine.models import Base, Shelf, Use
from gpu.engine.pipelines import text_to_image
from gpu.engine.report import Report


class Studio:
    def __init__(self, device: str) -> None:
        self.device = device
        self._shelf = Shelf(device)
        self._mixer: Mixer | None = None

    def warm_up(self, base: str) -> None:
        """Loads a base and takes one tiny step with it, so that the first picture does not pay for it."""
        loaded = self._shelf.take(base, "pictures")
        side = loaded.stride
        recipe = text_to_image.Recipe(
            prompt="", negative_prompt="", width=side, height=side, steps=1, guidance=2.0, seed=0
        )
        loaded.decode(text_to_image.denoise(loaded, recipe))

    def run(self, spec: Spec, report: Report) -> None:
        """One job. Raises Failure or Interrupted."""
        if self.device != "cpu":
            torch.cuda.reset_peak_memory_stats(self.device)
        if isinstance(spec, TextToImageSpec):
            base, mixer = self._take(spec.base, "pictures", report)
            text_to_image.make(spec, base, mixer, report)
        else:
            train_lora.check(spec, report)
            base, mixer = self._take(spec.base, "training", report)
            train_lora.train(spec, base, mixer, report)

    def _take(self, name: str, use: Use, report: Report) -> tuple[Base, Mixer]:
        report.phase("preparing")
        if not self._shelf.has(name, use):
            with report.loading():
                self._shelf.take(name, use)
        base = self._shelf.take(name, use)
        if self._mixer is None or self._mixer.base is not base:
            self._mixer = Mixer(base)
        return base, self._mixer
