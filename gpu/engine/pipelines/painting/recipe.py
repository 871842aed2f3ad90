"""What is to be painted."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gpu.engine.contract import PictureSpec, Tier
from gpu.engine.failures import bad_spec
from gpu.engine.models import Base


@dataclass(frozen=True)
class Recipe:
    """Sizes are pixels of the whole picture."""

    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    guidance: float
    seed: int
    tier: Tier = "fine"


@dataclass(frozen=True)
class Start:
    """What a picture begins with instead of noise alone.

    `latents` (1, c, h, w) are the source's, scaled; `strength` 0..1 is the share of the schedule that is gone through.
    `free` (1, 1, h, w) says what is drawn: 0 stays the source's at every noise level, 1 is drawn from the beginning,
    and what lies between is let go when that share of the steps is left (Levin & Fried 2023, arXiv:2306.00950).
    `hints` (1, 5, h, w) are the mask and the latents of what is known, for a UNet that was taught to fill holes.
    """

    latents: Tensor
    strength: float = 1.0
    free: Tensor | None = None
    hints: Tensor | None = None


def recipe_of(spec: PictureSpec) -> Recipe:
    return Recipe(
        prompt=spec.prompt,
        negative_prompt=spec.negative_prompt,
        width=spec.width,
        height=spec.height,
        steps=spec.steps,
        guidance=spec.guidance,
        seed=spec.seed,
        tier=spec.tier,
    )


def check_size(base: Base, width: int, height: int) -> None:
    if width % base.stride or height % base.stride:
        raise bad_spec(
            f"Width and height must be multiples of {base.stride} pixels for this base.", detail=f"{width}x{height}"
        )
