"""What an artist sees of a picture while it forms."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from PIL import Image
from torch import Tensor

from gpu.engine import hub
from gpu.engine.catalogue import model
from gpu.engine.models import Base
from gpu.engine.pipelines.small import as_preview

MOST_LATENTS = 96  # of a side: a preview is drawn from latents no larger, which makes 768 px with most VAEs

Frame = Callable[[Image.Image], Image.Image]


@torch.no_grad()
def preview(base: Base, latents: Tensor, frame: Frame | None = None) -> str:
    """A small WebP of a forming picture, base64, at most 16 kB decoded. `frame` puts it where it belongs."""
    pixels = _pixels(base, _small(latents))
    array = ((pixels[0].nan_to_num().clamp(-1, 1) + 1) * 127.5).byte().permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(np.ascontiguousarray(array))
    return as_preview(image if frame is None else frame(image))


def _small(latents: Tensor) -> Tensor:
    """Latents of a large picture at a size that a preview needs."""
    factor = MOST_LATENTS / max(latents.shape[-2:])
    if factor >= 1:
        return latents
    return torch.nn.functional.interpolate(latents.float(), scale_factor=factor, mode="area").to(latents.dtype)


def _pixels(base: Base, latents: Tensor) -> Tensor:
    """(1, 3, h, w): by a tiny decoder where the base is one or has one, else colours straight from the latents."""
    if isinstance(base.vae, AutoencoderTiny):
        return base.decode(latents)
    name = base.facts.preview_vae
    if name and hub.present(model(name)):
        tiny = _tiny(str(hub.folder_of(model(name))), base.device, base.dtype)
        return tiny.decode(latents.to(base.device, base.dtype) / float(tiny.config["scaling_factor"])).sample.float()
    return _rough(base, latents)


@lru_cache(maxsize=1)
def _tiny(folder: str, device: torch.device, dtype: torch.dtype) -> AutoencoderTiny:
    """TAESDXL (10 MB), read once."""
    tiny = AutoencoderTiny.from_pretrained(Path(folder), use_safetensors=True, local_files_only=True, torch_dtype=dtype)
    return tiny.requires_grad_(False).eval().to(device)


def _rough(base: Base, latents: Tensor) -> Tensor:
    """Colours straight from latents, where decoding four times a second would cost more than denoising."""
    matrix = base.latent_colours()
    rgb = torch.einsum("nchw,cr->nrhw", latents.float(), matrix[:-1]) + matrix[-1].view(1, 3, 1, 1)
    return torch.nn.functional.interpolate(rgb, scale_factor=4, mode="bilinear")
