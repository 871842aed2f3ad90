"""What a training minimises: the error of the UNet's prediction at random timesteps, weighted by their noise."""

from __future__ import annotations

import torch
from torch import Tensor

from gpu.engine.catalogue import Size
from gpu.engine.dataset import Batch
from gpu.engine.models import Base

# with zero terminal SNR the last timestep would weigh nothing, and it is where a picture's colours are decided
MIN_WEIGHT = 0.1


class NoiseSchedule:
    """Signal and noise of the base's timesteps: `signal` √ᾱ and `noise` √(1-ᾱ), each (timesteps,)."""

    def __init__(self, base: Base) -> None:
        kept = base.scheduler().alphas_cumprod.to(base.device, torch.float32)
        self.signal, self.noise = kept.sqrt(), (1 - kept).sqrt()
        self.snr = kept / (1 - kept)
        self.prediction = base.prediction

    def __len__(self) -> int:
        return len(self.signal)

    def noisy(self, clean: Tensor, noise: Tensor, at: Tensor) -> Tensor:
        """Latents under so much noise as there is at their timesteps."""
        return _per_picture(self.signal[at]) * clean + _per_picture(self.noise[at]) * noise

    def target(self, clean: Tensor, noise: Tensor, at: Tensor) -> Tensor:
        """What the UNet has to predict: the noise, or the velocity √ᾱ·ε - √(1-ᾱ)·x₀ (Salimans & Ho 2022)."""
        if self.prediction == "v_prediction":
            return _per_picture(self.signal[at]) * noise - _per_picture(self.noise[at]) * clean
        return noise

    def weight(self, at: Tensor, gamma: float) -> Tensor:
        """Min-SNR weights (Hang et al. 2023, arXiv:2303.09556): min(SNR, γ) / SNR, or / (SNR + 1) for velocities."""
        snr = self.snr[at]
        whole = snr + 1 if self.prediction == "v_prediction" else snr
        return (snr.clamp(max=gamma) / whole).clamp(min=MIN_WEIGHT if self.prediction == "v_prediction" else 0)


def _per_picture(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def loss_of(base: Base, batch: Batch, schedule: NoiseSchedule, gamma: float, generator: torch.Generator) -> Tensor:
    """Sum over the pictures of the weighted mean squared error, at one random timestep each.

    Noise and timestep are drawn picture by picture, so that a batch in small pieces sees what a whole one sees.
    """
    count, shape = len(batch.latents), batch.latents.shape[1:]
    drawn = [
        (torch.randn(shape, generator=generator), torch.randint(len(schedule), (1,), generator=generator))
        for _ in range(count)
    ]
    noise = torch.stack([noise for noise, _ in drawn]).to(base.device)
    at = torch.cat([at for _, at in drawn]).to(base.device)
    noisy = schedule.noisy(batch.latents, noise, at)
    predicted = predict(base, noisy, at, batch.tokens, batch.pooled, batch.size)
    target = schedule.target(batch.latents, noise, at)
    errors = (predicted - target).square().mean(dim=(1, 2, 3))
    return (errors * schedule.weight(at, gamma)).sum()


def predict(base: Base, noisy: Tensor, at: Tensor, tokens: Tensor, pooled: Tensor, size: Size) -> Tensor:
    """What the UNet makes of noisy latents (n, c, h, w) of pictures of `size`, in float32."""
    conditioning = {"text_embeds": pooled, "time_ids": base.time_ids(*size).expand(len(noisy), -1)}
    # on CPUs bfloat16 gained nothing measurable, and float32 keeps resumed runs bit-identical
    with torch.autocast(base.device.type, torch.bfloat16, enabled=base.device.type != "cpu"):
        predicted: Tensor = base.unet(noisy, at, tokens, added_cond_kwargs=conditioning, return_dict=False)[0]
    return predicted.float()
