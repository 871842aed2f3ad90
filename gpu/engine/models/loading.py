"""Reading a base from its folder, from safetensors alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from gpu.engine import devices, hub
from gpu.engine.catalogue import BaseFacts, describe
from gpu.engine.failures import bad_weights
from gpu.engine.memory.sizes import sizes_of
from gpu.engine.models.base import Base
from gpu.engine.models.masters import Masters

Use = Literal["pictures", "training"]

# Host memory that must be free, in sizes of the base, for a copy of it to stay there: while it is moved into place a
# part of it lies there twice, and the system and a film's model want some too.
HOST_ROOM = 1.5


def dtype_for(device: str, use: Use) -> torch.dtype:
    if device == "cpu":
        return torch.float32
    if use == "training" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float16


def load(name: str, device: str, use: Use = "pictures") -> Base:
    """Reads a base from its folder, or from the hub's cache, downloading it the first time.

    The UNet comes to the device; the rest stays in host memory until the base adopts a plan. Where the engine has a GPU
    and the machine the room, the weights stay in host memory besides.
    """
    facts = describe(name)
    folder, vae_folder = hub.base_folders(facts)
    dtype = dtype_for(device, use)
    keep = device != "cpu" and devices.free_host_bytes() > HOST_ROOM * _bytes_of(facts)
    try:
        base = _read(facts, folder, vae_folder, torch.device(device), torch.float16 if keep else dtype)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        detail = f"{folder}: {type(error).__name__}: {error}"
        raise bad_weights(
            "The model of this job cannot be read. Please tell us, we have to repair it.", detail=detail
        ) from error
    for module in base.parts.values():
        module.requires_grad_(False).eval()
    if keep:
        base.masters = Masters(base.parts, pinned=True)
        base.become(dtype)
    nn.Module.to(base.unet, base.device)  # what diffusers lays over it is not typed
    for parameter in base.unet.parameters() if device != "cpu" else ():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return base


def _bytes_of(facts: BaseFacts) -> int:
    """Of all weights in half precision."""
    sizes = sizes_of(facts)
    return 2 * (sizes.unet + sizes.text + sizes.vae)


def _read(facts: BaseFacts, folder: Path, vae_folder: Path, device: torch.device, dtype: torch.dtype) -> Base:
    vae_part = vae_folder / "vae" if (vae_folder / "vae").is_dir() else vae_folder
    vae_class = (
        AutoencoderTiny if _json(vae_part / "config.json")["_class_name"] == "AutoencoderTiny" else AutoencoderKL
    )
    return Base(
        facts=facts,
        device=device,
        dtype=dtype,
        unet=_weights(UNet2DConditionModel, folder / "unet", torch_dtype=dtype),
        vae=_weights(vae_class, vae_part, torch_dtype=dtype),
        text_encoders=(
            _weights(CLIPTextModel, folder / "text_encoder", dtype=dtype),
            _weights(CLIPTextModelWithProjection, folder / "text_encoder_2", dtype=dtype),
        ),
        tokenizers=(
            CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
            CLIPTokenizer.from_pretrained(folder / "tokenizer_2", local_files_only=True),
        ),
        scheduler_config=_json(folder / "scheduler" / "scheduler_config.json"),
        zero_unconditional=bool(_json(folder / "model_index.json").get("force_zeros_for_empty_prompt", True)),
    )


def _weights(cls: Any, part: Path, **precision: torch.dtype) -> Any:
    """One component, from safetensors alone; the half-precision file where a folder has both or only that."""
    variant = "fp16" if any(part.glob("*.fp16.safetensors")) else None
    return cls.from_pretrained(part, variant=variant, use_safetensors=True, local_files_only=True, **precision)


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))
