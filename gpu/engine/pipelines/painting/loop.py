"""The one loop that every picture goes through, and the guard that no black one comes out of."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor

from gpu.engine.failures import Failure
from gpu.engine.models import Base
from gpu.engine.pipelines.painting.prediction import Prediction
from gpu.engine.pipelines.painting.recipe import Recipe, Start
from gpu.engine.pipelines.painting.samplers import Walk

BLACK = 3  # of 255: a picture without a single brighter dot is a failed decode, not a night scene

# step done (from 1), how many there are, and the picture expected at the end: scaled latents (1, c, h, w)
OnStep = Callable[[int, int, Tensor], None]


def paint(
    base: Base,
    recipe: Recipe,
    on_step: OnStep | None = None,
    *,
    start: Start | None = None,
    tile: tuple[int, int] | None = None,
    check: Callable[[], None] | None = None,
) -> Image.Image:
    """One picture from the base as it is mixed now. Raises Failure `black_picture` if it cannot be shown.

    A picture that is black or not finite is decoded, then made, once more in numbers that do not overflow before it
    counts as failed.
    """

    def again() -> Tensor:
        return denoise(base, recipe, on_step, start=start, tile=tile, check=check)

    latents = again()
    picture = to_picture(base.decode(latents))
    if picture is None:
        picture = to_picture(base.decode(latents, precise=True))
    if picture is None and base.dtype != torch.float32:
        with base.in_safe_precision():
            picture = to_picture(base.decode(again(), precise=True))
    if picture is None:
        raise Failure(
            "black_picture",
            "The picture came out black. Lower the weight of the styles or the guidance, and try again.",
            detail=f"latents finite: {bool(torch.isfinite(latents).all())}",
        )
    return picture


@torch.no_grad()
def denoise(
    base: Base,
    recipe: Recipe,
    on_step: OnStep | None = None,
    *,
    start: Start | None = None,
    tile: tuple[int, int] | None = None,
    check: Callable[[], None] | None = None,
) -> Tensor:
    """Scaled latents (1, channels, height / scale, width / scale) of a finished picture.

    The noise is drawn on the CPU from the seed, one field for the whole picture. See `Start` for where it begins and
    `Prediction` for `tile` and `check`.
    """
    predict = Prediction(base, recipe, tile=tile, check=check)
    channels = base.unet.config["out_channels"]
    shape = (1, channels, recipe.height // base.scale, recipe.width // base.scale)
    walk = Walk(base, steps=recipe.steps, seed=recipe.seed, shape=shape, tier=recipe.tier, start=start)
    hints = None if start is None else start.hints
    for step, moment in enumerate(walk.moments):
        predicted = predict(walk.scaled(walk.latents, step), moment, step, hints)
        expected = walk.go(predicted, step)
        if on_step is not None:
            on_step(step + 1, walk.steps, expected)
    return walk.latents


def to_picture(pixels: Tensor) -> Image.Image | None:
    """A picture from (1, 3, h, w) in -1..1; None if it is not finite or black."""
    if not torch.isfinite(pixels).all():
        return None
    array = ((pixels[0].clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
    return None if array.max() <= BLACK else Image.fromarray(array)
