"""Painting with SDXL's classes: the loop that every tool and the samples of a training share.

The sampler is DPM++ 2M (Lu et al. 2022, arXiv:2211.01095), deterministic, from noise drawn on the CPU: the same spec
gives the same picture, bit for bit on one machine.
"""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from PIL import Image
from torch import Tensor

from gpu.engine.failures import Failure, bad_spec
from gpu.engine.models import Base, precision
from gpu.engine.report import Report

PREVIEW_SIDE = 384  # pixels of the longer side at most
PREVIEW_BYTES = 16_000
BLACK = 3  # of 255: a picture without a single brighter dot is a failed decode, not a night scene

# step done (from 1), how many there are, and the picture expected at the end: scaled latents (1, c, h, w)
OnStep = Callable[[int, int, Tensor], None]


@dataclass(frozen=True)
class Recipe:
    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    guidance: float
    seed: int


class Pace:
    """Progress of a picture: nine tenths are denoising, the rest decoding."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.first: float | None = None

    def step(self, step: int, steps: int) -> None:
        now = time.monotonic()
        eta = None
        if self.first is None:
            self.first = now
        elif step > 1:
            eta = (now - self.first) / (step - 1) * (steps - step + steps / 10)
        self.report.progress(0.05 + 0.9 * step / steps, step=step, steps=steps, eta=eta)


def check_size(base: Base, width: int, height: int) -> None:
    if width % base.stride or height % base.stride:
        raise bad_spec(
            f"Width and height must be multiples of {base.stride} pixels for this base.", detail=f"{width}x{height}"
        )


def paint(base: Base, recipe: Recipe, on_step: OnStep | None = None) -> Image.Image:
    """One picture from the base as it is mixed now. Raises Failure `black_picture` if it cannot be shown.

    A picture that is black or not finite is decoded, then made, once more in float32 before it counts as failed.
    """
    latents = denoise(base, recipe, on_step)
    picture = to_picture(base.decode(latents))
    if picture is None:
        picture = to_picture(base.decode(latents, precise=True))
    if picture is None and base.dtype != torch.float32:
        with _in_float32(base):
            picture = to_picture(base.decode(denoise(base, recipe, on_step), precise=True))
    if picture is None:
        raise Failure(
            "black_picture",
            "The picture came out black. Lower the weight of the styles or the guidance, and try again.",
            detail=f"latents finite: {bool(torch.isfinite(latents).all())}",
        )
    return picture


@torch.no_grad()
def denoise(base: Base, recipe: Recipe, on_step: OnStep | None = None) -> Tensor:
    """Scaled latents (1, channels, height / scale, width / scale) of a finished picture."""
    guided = recipe.guidance > 1
    prompts = [base.prompt(recipe.prompt)]
    if guided:
        prompts.insert(0, base.unconditional(recipe.negative_prompt))
    tokens = torch.cat([prompt.tokens for prompt in prompts])
    conditioning = {
        "text_embeds": torch.cat([prompt.pooled for prompt in prompts]),
        "time_ids": base.time_ids(recipe.width, recipe.height).to(tokens.dtype).expand(len(prompts), -1),
    }
    scheduler = base.scheduler()
    scheduler.set_timesteps(recipe.steps, device=base.device)
    shape = (1, base.unet.config["in_channels"], recipe.height // base.scale, recipe.width // base.scale)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(recipe.seed))
    latents = (noise * scheduler.init_noise_sigma).to(base.device, base.dtype)

    for step, moment in enumerate(scheduler.timesteps, start=1):
        inputs = scheduler.scale_model_input(torch.cat([latents] * len(prompts)), moment)
        predicted = base.unet(inputs, moment, tokens, added_cond_kwargs=conditioning, return_dict=False)[0]
        if guided:
            without, with_ = predicted.chunk(2)
            predicted = without + recipe.guidance * (with_ - without)
        latents = scheduler.step(predicted, moment, latents, return_dict=False)[0]
        expected = scheduler.model_outputs[-1]  # DPM++ keeps its estimate of the clean latents
        if on_step is not None and expected is not None:
            on_step(step, recipe.steps, expected)
    return latents


@contextmanager
def _in_float32(base: Base) -> Iterator[None]:
    """Works in float32 for a while, for a base that overflowed in half precision."""
    own = base.dtype
    base.dtype = torch.float32
    base.forget_prompts()
    try:
        with ExitStack() as stack:
            for module in (base.unet, *base.text_encoders):
                stack.enter_context(precision(module, torch.float32))
            yield
    finally:
        base.dtype = own
        base.forget_prompts()


def to_picture(pixels: Tensor) -> Image.Image | None:
    """A picture from (1, 3, h, w) in -1..1; None if it is not finite or black."""
    if not torch.isfinite(pixels).all():
        return None
    array = ((pixels[0].clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
    return None if array.max() <= BLACK else Image.fromarray(array)


# --- previews ------------------------------------------------------------------------------------------------------


def preview(base: Base, latents: Tensor) -> str:
    """A small WebP of a forming picture, base64, at most 16 kB decoded."""
    pixels = base.decode(latents) if isinstance(base.vae, AutoencoderTiny) else _rough(base, latents)
    array = ((pixels[0].nan_to_num().clamp(-1, 1) + 1) * 127.5).byte().permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(np.ascontiguousarray(array))
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    for quality in (80, 60, 40, 20):
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=2)
        if buffer.tell() <= PREVIEW_BYTES:
            break
        image.thumbnail((image.width * 3 // 4, image.height * 3 // 4))
    return base64.b64encode(buffer.getvalue()).decode()


def _rough(base: Base, latents: Tensor) -> Tensor:
    """Colours straight from latents, where decoding four times a second would cost more than denoising."""
    matrix = base.latent_colours()
    rgb = torch.einsum("nchw,cr->nrhw", latents.float(), matrix[:-1]) + matrix[-1].view(1, 3, 1, 1)
    return torch.nn.functional.interpolate(rgb, scale_factor=4, mode="bilinear")
