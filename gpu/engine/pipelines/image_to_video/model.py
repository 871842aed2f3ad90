"""Stable Video Diffusion's parts, each on the device only while it works.

The same arithmetic as diffusers' StableVideoDiffusionPipeline, arranged so that it fits: the image encoder and the VAE
visit the device, the UNet stays while it denoises, guidance may take one half after the other, feed-forward layers are
cut into pieces that divide the frames (others add noise, huggingface/diffusers#6258), and some frames are decoded at a
time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import AutoencoderKLTemporalDecoder
from diffusers.models.unets.unet_spatio_temporal_condition import UNetSpatioTemporalConditionModel
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import _resize_with_antialiasing
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from gpu.engine.failures import Failure, bad_weights
from gpu.engine.memory import Plan
from gpu.engine.memory.guests import rest, visiting
from gpu.engine.models import precision

SEEN = 224  # pixels of a side, as the image encoder sees a picture
LEAST_GUIDANCE, MOST_GUIDANCE = 1.0, 3.0  # rising from the first frame to the last (the paper, section D)


@dataclass(frozen=True)
class Conditions:
    """What the film starts from: `embedding` (1, 1, width) and `latents` (1, channels, h, w) of the first frame."""

    embedding: Tensor
    latents: Tensor


@dataclass(frozen=True)
class Wanted:
    """What the model is told. `motion` 1..255, `noise` the strength of the noise on the first frame."""

    frames: int
    steps: int
    fps: int
    motion: int
    noise: float


@dataclass
class VideoModel:
    """The parts, resting in host memory. Pictures are (n, 3, h, w) in 0..1, on `device`."""

    device: torch.device
    dtype: torch.dtype
    unet: UNetSpatioTemporalConditionModel
    vae: AutoencoderKLTemporalDecoder
    image_encoder: CLIPVisionModelWithProjection
    scheduler_config: dict[str, Any]
    mean: Tensor  # of the image encoder's training pictures, (3, 1, 1)
    deviation: Tensor

    @property
    def scale(self) -> int:
        """Pixels of a side for one latent."""
        return int(2 ** (len(self.vae.config["block_out_channels"]) - 1))

    @torch.no_grad()
    def conditions(self, picture: Tensor, noise: float, generator: torch.Generator) -> Conditions:
        """Reads the first frame, (1, 3, h, w). Draws the noise laid over it from `generator`, on the CPU."""
        seen = (_resize_with_antialiasing(picture.float().cpu() * 2 - 1, (SEEN, SEEN)) + 1) / 2
        with visiting(self.image_encoder, self.device):
            pixels = ((seen - self.mean) / self.deviation).to(self.device, self.dtype)
            embedding = self.image_encoder(pixels).image_embeds.unsqueeze(1)
        grain = torch.randn(picture.shape, generator=generator)
        clean = picture.float() * 2 - 1
        # this VAE's encoder overflows in float16 and says so in its configuration
        exact = torch.float32 if self.vae.config["force_upcast"] else self.dtype
        with precision(self.vae, exact), visiting(self.vae, self.device):
            frame = (clean + noise * grain.to(clean.device)).to(self.device, exact)
            latents = self.vae.encode(frame).latent_dist.mode().to(self.dtype)
        return Conditions(embedding, latents)

    @torch.no_grad()
    def denoise(
        self,
        conditions: Conditions,
        wanted: Wanted,
        plan: Plan,
        generator: torch.Generator,
        on_step: Callable[[int], None],
    ) -> Tensor:
        """Latents of a segment, (frames, channels, h, w). The UNet must be on the device."""
        frames = wanted.frames
        scheduler = EulerDiscreteScheduler.from_config(self.scheduler_config)
        scheduler.set_timesteps(wanted.steps, device=self.device)
        shape = (1, frames, *conditions.latents.shape[1:])
        noise = torch.randn(shape, generator=generator)
        latents = noise.to(self.device, self.dtype) * scheduler.init_noise_sigma
        guidance = torch.linspace(LEAST_GUIDANCE, MOST_GUIDANCE, frames).to(self.device, self.dtype)
        guidance = guidance.view(1, frames, 1, 1, 1)
        # the model knows the frame rate less one
        told = torch.tensor([[wanted.fps - 1, wanted.motion, wanted.noise]], device=self.device, dtype=self.dtype)
        still = conditions.latents.unsqueeze(1).expand(-1, frames, -1, -1, -1)
        self.unet.enable_forward_chunking(largest_piece(frames, plan.chunks))

        def predict(inputs: Tensor, moment: Tensor, seen: Tensor, first: Tensor) -> Tensor:
            return self.unet(
                torch.cat([inputs, first], dim=2),
                moment,
                encoder_hidden_states=seen,
                added_time_ids=told.expand(len(inputs), -1),
                return_dict=False,
            )[0]

        nothing = (torch.zeros_like(conditions.embedding), torch.zeros_like(still))
        for step, moment in enumerate(scheduler.timesteps, start=1):
            inputs = scheduler.scale_model_input(latents, moment)
            if plan.sequential_guidance:
                without = predict(inputs, moment, *nothing)
                with_ = predict(inputs, moment, conditions.embedding, still)
            else:
                both = predict(
                    torch.cat([inputs] * 2),
                    moment,
                    torch.cat([nothing[0], conditions.embedding]),
                    torch.cat([nothing[1], still]),
                )
                without, with_ = both.chunk(2)
            predicted = without + guidance * (with_ - without)
            latents = scheduler.step(predicted, moment, latents, return_dict=False)[0]
            on_step(step)
        if not torch.isfinite(latents).all():
            raise Failure("black_picture", "The film came out black. Try it again with another seed or less motion.")
        return latents[0]

    @torch.no_grad()
    def decode(self, latents: Tensor, at_a_time: int = 0) -> Iterator[Tensor]:
        """Frames (3, h, w) as float32 from latents (frames, channels, h, w), `at_a_time` of them (0: all) together.

        The decoder smooths over the frames that it sees together. The UNet should be off the device.
        """
        latents = latents / self.vae.config["scaling_factor"]
        with visiting(self.vae, self.device):
            for some in latents.split(at_a_time or len(latents)):
                decoded = self.vae.decode(some, num_frames=len(some), return_dict=False)[0]
                yield from (decoded.float() / 2 + 0.5).clamp(0, 1)


def largest_piece(frames: int, pieces: int) -> int:
    """Frames in one piece of a feed-forward layer: the most that divide `frames` into at least so many pieces."""
    return max(size for size in range(1, frames + 1) if frames % size == 0 and frames // size >= min(pieces, frames))


def load(folder: Path, device: torch.device, dtype: torch.dtype) -> VideoModel:
    """Reads the parts from a folder in diffusers' layout, safetensors alone. Raises Failure `bad_weights`."""
    try:
        model = _read(folder, device, dtype)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise bad_weights(
            "The video model cannot be read. Please tell us, we have to repair it.",
            detail=f"{folder}: {type(error).__name__}: {error}",
        ) from error
    for part in (model.unet, model.vae, model.image_encoder):
        part.requires_grad_(False).eval()
        rest(part)
    return model


def _read(folder: Path, device: torch.device, dtype: torch.dtype) -> VideoModel:
    extractor = _json(folder / "feature_extractor" / "preprocessor_config.json")
    return VideoModel(
        device=device,
        dtype=dtype,
        unet=_weights(UNetSpatioTemporalConditionModel, folder / "unet", torch_dtype=dtype),
        vae=_weights(AutoencoderKLTemporalDecoder, folder / "vae", torch_dtype=dtype),
        image_encoder=_weights(CLIPVisionModelWithProjection, folder / "image_encoder", dtype=dtype),
        scheduler_config=_json(folder / "scheduler" / "scheduler_config.json"),
        mean=torch.tensor(extractor["image_mean"]).view(3, 1, 1),
        deviation=torch.tensor(extractor["image_std"]).view(3, 1, 1),
    )


def _weights(cls: Any, part: Path, **precision: torch.dtype) -> Any:
    """One part; the half-precision file where a folder has both or only that."""
    variant = "fp16" if any(part.glob("*.fp16.safetensors")) else None
    return cls.from_pretrained(part, variant=variant, use_safetensors=True, local_files_only=True, **precision)


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))
