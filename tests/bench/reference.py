"""A plain trainer to be compared with: diffusers' own classes and PEFT, with the settings that diffusers publishes.

`TEXT_TO_IMAGE` is the LoRA command of `examples/text_to_image/README_sdxl.md`, `DREAMBOOTH` the one of
`examples/dreambooth/README_sdxl.md` with its flags for less than 16 GB; where a command is silent, the scripts'
defaults: rank 4 on the attention alone, Gaussian A, AdamW (0.9, 0.999), weight decay 0.01, gradients clipped at norm 1,
even draws of the timestep, no min-SNR weights, no dropped captions. It imports nothing of the engine. That its loss and
gradients are the engine's, given the same settings, is shown by `tests/engine/test_reference.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DDPMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from torch import Tensor, nn

ATTENTION = ("to_k", "to_q", "to_v", "to_out.0")


@dataclass(frozen=True)
class Settings:
    learning_rate: float = 1e-4  # constant, without warm-up
    rank: int = 4
    alpha: float = 4.0
    targets: tuple[str, ...] = ATTENTION
    batch: int = 1
    accumulation: int = 1
    random_flip: bool = False
    snr_gamma: float | None = None
    gradient_checkpointing: bool = False
    max_gradient: float = 1.0
    precompute_text: bool = False  # the DreamBooth script embeds its prompts once


TEXT_TO_IMAGE = Settings(random_flip=True)
DREAMBOOTH = Settings(accumulation=4, gradient_checkpointing=True, precompute_text=True)


@dataclass
class Parts:
    """A base by its parts, as the scripts load them; the LoRA's weights are those of `unet` that want gradients."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL | AutoencoderTiny
    pipeline: StableDiffusionXLPipeline
    schedule: DDPMScheduler
    device: torch.device
    dtype: torch.dtype

    def trainable(self) -> list[nn.Parameter]:
        return [weight for weight in self.unet.parameters() if weight.requires_grad]


Embeddings = tuple[Tensor, Tensor]  # tokens (n, length, width), pooled (n, width)


def load_parts(folder: Path, settings: Settings, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Parts:
    """The base with fresh LoRA layers on its UNet."""
    pipeline = StableDiffusionXLPipeline.from_pretrained(folder, torch_dtype=dtype).to(device)
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2):
        part.requires_grad_(False)
    unet = pipeline.unet
    unet.add_adapter(
        LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            init_lora_weights="gaussian",
            target_modules=list(settings.targets),
        )
    )
    for weight in unet.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    if settings.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    schedule = DDPMScheduler.from_config(pipeline.scheduler.config)
    return Parts(unet, pipeline.vae, pipeline, schedule, torch.device(device), dtype)


@torch.no_grad()
def embed(parts: Parts, captions: Sequence[str]) -> Embeddings:
    """Both encoders' last but one layer, and the second's pooled text."""
    tokens, _, pooled, _ = parts.pipeline.encode_prompt(list(captions), do_classifier_free_guidance=False)
    return tokens, pooled


@torch.no_grad()
def encode(parts: Parts, pixels: Tensor) -> Tensor:
    """Pictures (n, 3, h, w) in -1..1 to scaled latents."""
    encoded = parts.vae.encode(pixels.to(parts.device, parts.dtype))
    latents = encoded.latents if isinstance(parts.vae, AutoencoderTiny) else encoded.latent_dist.sample()
    return latents.float() * parts.vae.config.scaling_factor


def reference_loss(
    parts: Parts, latents: Tensor, embeddings: Embeddings, noise: Tensor, at: Tensor, snr_gamma: float | None = None
) -> Tensor:
    """Mean over the pictures of the scripts' loss; the pictures' size is that of their latents."""
    noisy = parts.schedule.add_noise(latents, noise, at)
    scale = 2 ** (len(parts.vae.config.get("encoder_block_out_channels") or parts.vae.config.block_out_channels) - 1)
    height, width = (side * scale for side in latents.shape[-2:])
    sizes = torch.tensor([[height, width, 0, 0, height, width]], device=latents.device, dtype=torch.float32)
    tokens, pooled = embeddings
    conditioning = {"text_embeds": pooled, "time_ids": sizes.expand(len(latents), -1)}
    with torch.autocast(parts.device.type, parts.dtype, enabled=parts.dtype != torch.float32):
        predicted = parts.unet(noisy, at, tokens, added_cond_kwargs=conditioning, return_dict=False)[0]
    velocity = parts.schedule.config.prediction_type == "v_prediction"
    target = parts.schedule.get_velocity(latents, noise, at) if velocity else noise
    errors = (predicted.float() - target.float()).square().mean(dim=(1, 2, 3))
    if snr_gamma is None:
        return errors.mean()
    kept = parts.schedule.alphas_cumprod.to(latents.device)[at]
    snr = kept / (1 - kept)
    return (errors * snr.clamp(max=snr_gamma) / (snr + 1 if velocity else snr)).mean()


def make_optimizer(parts: Parts, settings: Settings) -> torch.optim.AdamW:
    return torch.optim.AdamW(parts.trainable(), lr=settings.learning_rate, betas=(0.9, 0.999), weight_decay=0.01)


def reference_step(
    parts: Parts,
    optimizer: torch.optim.Optimizer,
    settings: Settings,
    micro_batches: Sequence[tuple[Tensor, Embeddings]],
    draws: Callable[[Tensor], tuple[Tensor, Tensor]],
) -> float:
    """One optimizer step over `accumulation` micro batches of (latents, embeddings); returns their mean loss.

    `draws` gives noise and timesteps for some latents.
    """
    total = 0.0
    for latents, embeddings in micro_batches:
        noise, at = draws(latents)
        loss = reference_loss(parts, latents, embeddings, noise, at, settings.snr_gamma) / len(micro_batches)
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(parts.trainable(), settings.max_gradient)
    optimizer.step()
    optimizer.zero_grad()
    return total


def train_reference(
    parts: Parts,
    pictures: Sequence[Image.Image],
    captions: Sequence[str],
    settings: Settings,
    *,
    seed: int,
    goes_on: Callable[[int], bool],
) -> list[float]:
    """Trains while `goes_on(steps done)`; pictures have the size they are trained at. Returns every step's loss."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    optimizer = make_optimizer(parts, settings)
    pixels = [to_pixels(picture) for picture in pictures]
    kept = [embed(parts, [caption]) for caption in captions] if settings.precompute_text else []
    order: list[int] = []
    losses: list[float] = []
    parts.unet.train()

    def draws(latents: Tensor) -> tuple[Tensor, Tensor]:
        steps = parts.schedule.config.num_train_timesteps
        return torch.randn_like(latents), torch.randint(steps, (len(latents),), device=latents.device)

    def micro_batch() -> tuple[Tensor, Embeddings]:
        nonlocal order
        if len(order) < settings.batch:
            order = rng.sample(range(len(pixels)), len(pixels))
        chosen, order = order[: settings.batch], order[settings.batch :]
        seen = [pixels[n].flip(-1) if settings.random_flip and rng.random() < 0.5 else pixels[n] for n in chosen]
        texts = embed(parts, [captions[n] for n in chosen]) if not kept else _joined([kept[n] for n in chosen])
        return encode(parts, torch.stack(seen)), texts

    while goes_on(len(losses)):
        batches = [micro_batch() for _ in range(settings.accumulation)]
        losses.append(reference_step(parts, optimizer, settings, batches, draws))
    parts.unet.eval()
    return losses


def save(parts: Parts, folder: Path) -> None:
    """Writes `pytorch_lora_weights.safetensors`, as the scripts do."""
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(parts.unet))
    StableDiffusionXLPipeline.save_lora_weights(folder, unet_lora_layers=layers)


def to_pixels(picture: Image.Image) -> Tensor:
    """(3, h, w) in -1..1."""
    array = np.asarray(picture.convert("RGB"), dtype=np.float32) / 127.5 - 1
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


def _joined(embeddings: Sequence[Embeddings]) -> Embeddings:
    return torch.cat([tokens for tokens, _ in embeddings]), torch.cat([pooled for _, pooled in embeddings])
