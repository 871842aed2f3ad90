"""Which of some prompts a picture shows, by the base's own eyes.

A diffusion model removes noise better when it is told what is beneath it. So the prompt with which the bare base is
least surprised by a picture is the one that the picture shows (Li et al. 2023, "Your Diffusion Model is Secretly a
Zero-Shot Classifier", arXiv:2303.16203). It needs no model beside the base, and knows every word that the base knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gpu.engine.dataset import draws, fit, to_tensor
from gpu.engine.judging.features import Floats
from gpu.engine.models import Base, Prompt
from gpu.engine.objective import NoiseSchedule

# Shares of the timesteps: beneath less noise the picture explains itself, beneath more nothing is left of it.
MOMENTS = (0.35, 0.45, 0.55, 0.65, 0.75, 0.85)
LARGEST = 512  # pixels of a side: enough to know a subject by, and a quarter of SDXL's work


def certainty(
    base: Base, pictures: Sequence[Image.Image], prompts: Sequence[str], *, check: Callable[[], None]
) -> Floats:
    """How sure the bare base is that each picture shows its own prompt and none of the others: (n,).

    The least surprise by another prompt over that by its own, minus 1: above 0 it is recognised.
    """
    errors = surprise(base, pictures, prompts if len(prompts) > 1 else [*prompts, ""], check=check)
    own = np.arange(len(pictures))
    others = errors.copy()
    others[own, own] = np.inf
    return others.min(axis=1) / errors[own, own] - 1


@torch.no_grad()
def surprise(
    base: Base, pictures: Sequence[Image.Image], prompts: Sequence[str], *, check: Callable[[], None]
) -> Floats:
    """(pictures, prompts): mean squared error of the bare base's prediction, at fixed noise and timesteps."""
    side = min(base.facts.native, LARGEST) // base.stride * base.stride
    schedule = NoiseSchedule(base)
    latents = torch.cat([base.encode(to_tensor(fit(picture, (side, side)))[None])[0] for picture in pictures])
    embedded = [base.prompt(prompt) for prompt in prompts]
    size = base.time_ids(base.facts.native, base.facts.native)
    errors = torch.zeros(len(pictures), len(prompts))
    for number, share in enumerate(MOMENTS):
        # the same noise for every picture, so that two steps of a training differ by what was learned alone
        noise = torch.randn(latents.shape[1:], generator=draws(0, "reading", number)).to(base.device)
        at = torch.tensor(round(share * (len(schedule) - 1)), device=base.device)
        for row, clean in enumerate(latents):
            check()
            noisy = schedule.signal[at] * clean + schedule.noise[at] * noise
            target = schedule.target(clean[None], noise[None], at[None])
            errors[row] += _errors(base, noisy, at, target, embedded, size)
    return (errors / len(MOMENTS)).numpy()


def _errors(base: Base, noisy: Tensor, at: Tensor, target: Tensor, embedded: Sequence[Prompt], size: Tensor) -> Tensor:
    """(prompts,) for one picture at one moment, one prompt after the other on a GPU, for its memory."""
    group = len(embedded) if base.device.type == "cpu" else 1
    found = []
    for start in range(0, len(embedded), group):
        part = embedded[start : start + group]
        predicted = base.unet(
            noisy.to(base.dtype).expand(len(part), -1, -1, -1),
            at,
            torch.cat([prompt.tokens for prompt in part]).to(base.dtype),
            added_cond_kwargs={
                "text_embeds": torch.cat([prompt.pooled for prompt in part]).to(base.dtype),
                "time_ids": size.to(base.dtype).expand(len(part), -1),
            },
            return_dict=False,
        )[0]
        found.append((predicted.float() - target).square().mean(dim=(1, 2, 3)))
    return torch.cat(found).cpu()
