"""The loss on references that are not learned: where it stops falling, learning has become remembering."""

from __future__ import annotations

import torch

from gpu.engine.dataset import batches, draws
from gpu.engine.objective import loss_of
from gpu.engine.train_lora.material import Material
from gpu.engine.train_lora.session import Session

LOOKS = 4  # timesteps and noises for each reference
TIMES = 12  # measurements in a run, beside those at its checkpoints


def moments(steps: int, checkpoints: list[int]) -> set[int]:
    """The steps after which it is measured: the first, every checkpoint, and some evenly between."""
    return {1, *checkpoints, *(round(steps * (n + 1) / TIMES) for n in range(TIMES))} - {0}


@torch.no_grad()
def measure(session: Session, material: Material) -> float | None:
    """Mean weighted error, always at the same noise and timesteps; None where nothing is held out."""
    if not material.held_out:
        return None
    spec = session.spec
    looks = material.held_out * LOOKS
    generator = draws(spec.seed, "held out noise", 0)
    total = 0.0
    session.learner.attach()
    try:
        for batch in batches(
            looks,
            empty=material.empty,
            dropout=0.0,
            most=session.micro_batch,
            generator=generator,
            embed=session.embed,
        ):
            total += loss_of(session.base, batch, session.schedule, spec.min_snr_gamma, generator).item()
    finally:
        session.learner.detach()
    return total / len(looks)
