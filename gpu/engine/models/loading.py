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

from gpu.engine.catalogue import BaseFacts, describe
from gpu.engine.failures import Failure, bad_weights, missing_file
from gpu.engine.models.base import Base

Use = Literal["pictures", "training"]

CONFIGURATION = ["*.json", "*/*.json", "*/*.txt"]


def dtype_for(device: str, use: Use) -> torch.dtype:
    if device == "cpu":
        return torch.float32
    if use == "training" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float16


def load(name: str, device: str, use: Use = "pictures") -> Base:
    """Reads a base from its folder, or from the hub's cache, downloading it the first time.

    The UNet comes to the device; the rest stays in host memory until the base adopts a plan.
    """
    facts = describe(name)
    folder, vae_folder = _folders(facts)
    try:
        base = _read(facts, folder, vae_folder, torch.device(device), dtype_for(device, use))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        detail = f"{folder}: {type(error).__name__}: {error}"
        raise bad_weights(
            "The model of this job cannot be read. Please tell us, we have to repair it.", detail=detail
        ) from error
    parts: list[nn.Module] = [base.unet, base.vae, *base.text_encoders]
    for module in parts:
        module.requires_grad_(False).eval()
    base.unet.to(base.device)
    base.adopt(base.plan)
    return base


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


def _folders(facts: BaseFacts) -> tuple[Path, Path]:
    """Where the base and its VAE lie, fetched from the hub where they come from there."""
    if facts.folder:
        folder = Path(facts.folder)
        if not (folder / "model_index.json").is_file():
            raise missing_file(f"The base model “{facts.title}”", folder)
        return folder, folder
    folder = _fetch(facts.repository, facts.revision, [*CONFIGURATION, "*/*.fp16.safetensors"])
    if not any((folder / "unet").glob("*.safetensors")):  # a repository without half-precision files
        folder = _fetch(facts.repository, facts.revision, [*CONFIGURATION, "*/*.safetensors"])
    if not facts.vae_repository:
        return folder, folder
    return folder, _fetch(
        facts.vae_repository, facts.vae_revision, ["config.json", "diffusion_pytorch_model.safetensors"]
    )


def _fetch(repository: str, revision: str, files: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=files))
    except Exception as error:  # the hub's client raises many kinds; each means that there is no model
        raise Failure(
            "missing_file",
            "The base model could not be fetched. Check BASE_MODEL and the connection to the model hub.",
            detail=f"{repository}@{revision}: {type(error).__name__}: {error}",
        ) from error
