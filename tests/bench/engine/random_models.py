"""SDXL and SVD-XT at full size with random weights: true for speed and memory, saying nothing of quality.

The configurations are those of the published models (their model cards); the tokenizer is the starter's with CLIP's
length, since the words do not matter here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    UNet2DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from gpu.engine.catalogue import STARTER_FOLDER

TOKENS = 77

SDXL_UNET: dict[str, Any] = {
    "sample_size": 128,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2,
    "cross_attention_dim": 2048,
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
SDXL_VAE: dict[str, Any] = {
    "sample_size": 1024,
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.13025,
    "force_upcast": False,
}
SDXL_SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
}
CLIP_L: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
}
CLIP_BIG_G: dict[str, Any] = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": 1280,
    "hidden_act": "gelu",
}
SVD_UNET: dict[str, Any] = {  # the class's own defaults but for the frames
    "num_frames": 25,
}
SVD_VAE: dict[str, Any] = {
    "sample_size": 768,
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.18215,
    "force_upcast": True,
}
SVD_SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "use_karras_sigmas": True,
    "sigma_min": 0.002,
    "sigma_max": 700.0,
    "steps_offset": 1,
}
CLIP_H: dict[str, Any] = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "projection_dim": 1024,
    "image_size": 224,
    "patch_size": 14,
    "hidden_act": "gelu",
}


def sdxl(folder: Path, device: str) -> Path:
    """A folder in diffusers' layout, 6.5 GiB in float16; written once."""
    if (folder / "model_index.json").is_file():
        return folder
    text = {"vocab_size": 49408, "max_position_embeddings": TOKENS, "bos_token_id": 0, "eos_token_id": 2}
    _write(folder / "unet", lambda: UNet2DConditionModel(**SDXL_UNET), device)
    _write(folder / "vae", lambda: AutoencoderKL(**SDXL_VAE), device)
    _write(folder / "text_encoder", lambda: CLIPTextModel(CLIPTextConfig(**CLIP_L, **text)), device)
    second = folder / "text_encoder_2"
    _write(second, lambda: CLIPTextModelWithProjection(CLIPTextConfig(**CLIP_BIG_G, **text)), device)
    for name in ("tokenizer", "tokenizer_2"):
        shutil.copytree(STARTER_FOLDER / name, folder / name, dirs_exist_ok=True)
        path = folder / name / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": TOKENS}))
    EulerDiscreteScheduler(**SDXL_SCHEDULER).save_pretrained(folder / "scheduler")
    _index(
        folder,
        {
            "_class_name": "StableDiffusionXLPipeline",
            "force_zeros_for_empty_prompt": True,
            "scheduler": ["diffusers", "EulerDiscreteScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "tokenizer_2": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        },
    )
    return folder


def svd(folder: Path, device: str) -> Path:
    """A folder in diffusers' layout, 4.5 GiB in float16; written once."""
    if (folder / "model_index.json").is_file():
        return folder
    _write(folder / "unet", lambda: UNetSpatioTemporalConditionModel(**SVD_UNET), device)
    _write(folder / "vae", lambda: AutoencoderKLTemporalDecoder(**SVD_VAE), device)
    vision = folder / "image_encoder"
    _write(vision, lambda: CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP_H)), device)
    EulerDiscreteScheduler(**SVD_SCHEDULER).save_pretrained(folder / "scheduler")
    extractor = {
        "image_processor_type": "CLIPImageProcessor",
        "crop_size": {"height": 224, "width": 224},
        "size": {"shortest_edge": 224},
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    (folder / "feature_extractor").mkdir(parents=True, exist_ok=True)
    (folder / "feature_extractor" / "preprocessor_config.json").write_text(json.dumps(extractor))
    _index(
        folder,
        {
            "_class_name": "StableVideoDiffusionPipeline",
            "feature_extractor": ["transformers", "CLIPImageProcessor"],
            "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
            "scheduler": ["diffusers", "EulerDiscreteScheduler"],
            "unet": ["diffusers", "UNetSpatioTemporalConditionModel"],
            "vae": ["diffusers", "AutoencoderKLTemporalDecoder"],
        },
    )
    return folder


def _write(folder: Path, make: Callable[[], nn.Module], device: str) -> None:
    """One part, drawn on the device in half precision: the host never holds it in float32."""
    with _half(), torch.device(device):
        module = make()
    module.save_pretrained(folder, safe_serialization=True)  # type: ignore[operator]
    del module
    if device != "cpu":
        torch.cuda.empty_cache()


@contextmanager
def _half() -> Iterator[None]:
    torch.set_default_dtype(torch.float16)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def _index(folder: Path, parts: dict[str, Any]) -> None:
    """Last of all, so that a folder that has it is whole."""
    (folder / "model_index.json").write_text(json.dumps(parts))
