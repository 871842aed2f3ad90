"""What the UNet says of noisy latents, with guidance; in tiles where the picture is larger than the base can see."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gpu.engine.models import Base
from gpu.engine.pipelines.painting.recipe import Recipe
from gpu.engine.pipelines.painting.reuse import DeepReuse
from gpu.engine.prompts import Prompt, level
from gpu.engine.tiles import Window, blend, windows


@dataclass(frozen=True)
class Side:
    """What goes through the UNet at once: both halves of guidance, or one of them."""

    tokens: Tensor
    pooled: Tensor

    @classmethod
    def of(cls, prompts: list[Prompt]) -> Side:
        return cls(
            tokens=torch.cat([prompt.tokens for prompt in prompts]),
            pooled=torch.cat([prompt.pooled for prompt in prompts]),
        )


class Prediction:
    """Callable on latents (1, c, h, w). `check` may raise: it is asked before each pass through the UNet.

    With a `tile` (width, height in pixels) latents beyond it are seen in overlapping windows whose predictions are
    blended at every step (Bar-Tal et al. 2023, arXiv:2302.08113): one picture is denoised, so no seam can form.
    The halves of guidance go one after the other where the memory plan says so; that changes nothing but the time.
    """

    def __init__(
        self, base: Base, recipe: Recipe, *, tile: tuple[int, int] | None = None, check: Callable[[], None] | None
    ) -> None:
        self._base, self._recipe, self._check = base, recipe, check
        self._guided = recipe.guidance > 1
        prompts = [base.prompt(recipe.prompt)]
        if self._guided:
            prompts = level([base.unconditional(recipe.negative_prompt), *prompts])
        apart = base.plan.sequential_guidance
        self._sides = [Side.of([prompt]) for prompt in prompts] if apart else [Side.of(prompts)]
        wide, high = tile or (recipe.width, recipe.height)
        many = recipe.width > wide or recipe.height > high
        self._reuse = DeepReuse(base.unet, resting=many) if recipe.tier == "draft" else None
        self._tile = high // base.scale, wide // base.scale

    def __call__(self, latents: Tensor, moment: Tensor, step: int, hints: Tensor | None = None) -> Tensor:
        height, width = latents.shape[-2:]
        cut = windows(height, width, self._tile)
        if len(cut) == 1:
            return self._guide(latents, moment, step, hints, 0)

        def parts() -> Iterator[tuple[Window, Tensor]]:
            for number, window in enumerate(cut):
                seen = None if hints is None else window.of(hints)
                yield window, self._guide(window.of(latents), moment, step, seen, number)

        return blend(parts(), height, width).to(latents.dtype)

    def _guide(self, latents: Tensor, moment: Tensor, step: int, hints: Tensor | None, tile: int) -> Tensor:
        if hints is not None:
            latents = torch.cat([latents, hints.to(latents)], dim=1)
        said = [self._pass(side, latents, moment, step, slot=(tile, number)) for number, side in enumerate(self._sides)]
        predicted = torch.cat(said)
        if not self._guided:
            return predicted
        without, with_ = predicted.chunk(2)
        return without + self._recipe.guidance * (with_ - without)

    def _pass(self, side: Side, latents: Tensor, moment: Tensor, step: int, slot: Hashable) -> Tensor:
        if self._check is not None:
            self._check()
        count = len(side.tokens)
        height, width = (length * self._base.scale for length in latents.shape[-2:])
        time_ids = self._base.time_ids(width, height).to(side.tokens.dtype).expand(count, -1)
        conditioning = {"text_embeds": side.pooled, "time_ids": time_ids}
        inputs = torch.cat([latents] * count)
        if self._reuse is not None:
            return self._reuse(slot, step, inputs, moment, side.tokens, conditioning)
        return self._base.unet(inputs, moment, side.tokens, added_cond_kwargs=conditioning, return_dict=False)[0]
