"""The samplers: DPM++ 2M (Lu et al. 2022, arXiv:2211.01095) for *fine* and *draft*, the few-step LoRA's own for *fast*.

All are used without any noise of their own where they allow it: the same spec gives the same picture.
"""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from torch import Tensor

from gpu.engine.contract import Tier
from gpu.engine.models import Base
from gpu.engine.pipelines.painting.recipe import Start


def sampler(base: Base, tier: Tier) -> Any:
    """A fresh scheduler with the base's own noise schedule and prediction type."""
    if tier != "fast":
        return base.scheduler()
    wanted = dict(base.facts.fast_sampler)
    kind = getattr(diffusers, wanted.pop("_class_name"))
    return kind.from_config(base.scheduler_config, **wanted)


class Walk:
    """The way from noise to a picture: the latents at its beginning, and how each step changes them."""

    def __init__(self, base: Base, *, steps: int, seed: int, shape: tuple[int, ...], tier: Tier, start: Start | None):
        self.scheduler = sampler(base, tier)
        self.scheduler.set_timesteps(steps, device=base.device)
        self._generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(shape, generator=self._generator)
        count = len(self.scheduler.timesteps)
        self.steps = count if start is None else max(1, min(count, round(count * start.strength)))
        first = count - self.steps
        self.moments: list[Tensor] = list(self.scheduler.timesteps[first:])
        self._noise = noise.to(base.device, base.dtype)
        self._start = start
        self.scheduler.set_begin_index(first)  # rather than looked up by a moment that may occur twice
        if start is None or start.strength >= 1:
            self.latents = (noise * self.scheduler.init_noise_sigma).to(base.device, base.dtype)
            return
        self.latents = self._noised(start.latents.to(base.device, base.dtype), 0)

    def scaled(self, latents: Tensor, step: int) -> Tensor:
        """The latents as the UNet wants to see them at `step`, which counts from 0."""
        return self.scheduler.scale_model_input(latents, self.moments[step])

    def go(self, predicted: Tensor, step: int) -> Tensor:
        """Takes one step, and returns the picture expected at the end."""
        result = self.scheduler.step(predicted, self.moments[step], self.latents, generator=self._generator)
        self.latents = result.prev_sample
        expected = getattr(result, "pred_original_sample", None)
        if expected is None:
            expected = self.scheduler.model_outputs[-1]  # DPM++ keeps its estimate of the clean latents
        self._hold(step + 1)
        return expected

    def _hold(self, done: int) -> None:
        """Puts the source back wherever it is not yet let go, at the noise level that is reached."""
        if self._start is None or self._start.free is None:
            return
        source = self._start.latents.to(self.latents.device, self.latents.dtype)
        if done < self.steps:
            source = self._noised(source, done)
        held = self._start.free.to(source.device) <= 1 - done / self.steps
        self.latents = torch.where(held, source, self.latents)

    def _noised(self, latents: Tensor, step: int) -> Tensor:
        return self.scheduler.add_noise(latents, self._noise, self.moments[step][None])
