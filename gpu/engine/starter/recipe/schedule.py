"""The noise schedule, the weight of each noise level and the learning rate over time."""

import math

import torch
from diffusers import DPMSolverMultistepScheduler

NOISE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}
"""SDXL's betas, rescaled so that the last step is pure noise (Lin et al. 2023): flat backgrounds need it."""

MIN_SNR = 5.0
NOISY_BIAS = 0.5
"""Exponent of the uniform draw of steps: 1 is even, less prefers noisy steps."""


def sampler() -> DPMSolverMultistepScheduler:
    """The sampler that is shipped: DPM-Solver++ of second order (Lu et al. 2022)."""
    return DPMSolverMultistepScheduler(**NOISE, algorithm_type="dpmsolver++", solver_order=2, final_sigmas_type="zero")


def signal_shares() -> torch.Tensor:
    """The share of signal in the variance (alpha bar) at each of the 1,000 steps; the last is zero."""
    betas = torch.linspace(NOISE["beta_start"] ** 0.5, NOISE["beta_end"] ** 0.5, NOISE["num_train_timesteps"]) ** 2
    roots = torch.cumprod(1 - betas, dim=0).sqrt()
    roots = (roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])
    return roots**2


def draw_steps(count: int) -> torch.Tensor:
    """Noise levels to train on, more often noisy ones: there the words decide what becomes of the picture."""
    steps = NOISE["num_train_timesteps"]
    return (torch.rand(count) ** NOISY_BIAS * steps).long().clamp(max=steps - 1)


def weights(signal: torch.Tensor) -> torch.Tensor:
    """Min-SNR weights for velocity (Hang et al. 2023), but whole where noise outweighs the signal.

    There a small model decides from the words alone what the subject is, and that is what it learns last.
    """
    ratio = signal / (1 - signal)
    return torch.where(ratio < 1, torch.ones_like(ratio), ratio.clamp(max=MIN_SNR) / (ratio + 1))


def rate(base: float, *, step: int, warmup: int, annealed: float) -> float:
    """Warm up, hold, and once annealing has begun fall to zero: `annealed` is the share of it that is done, 0 … 1.

    Holding (Hu et al. 2024, warmup-stable-decay) lets training go on from any checkpoint of the stable phase.
    """
    return base * min(1.0, (step + 1) / warmup) * (1 - math.sqrt(min(1.0, max(0.0, annealed))))
