"""LoRA files for the base that tests run on, made without torch."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from gpu.engine.catalogue import STARTER
from gpu.engine.weights import layers_of


def lora(
    *, rank: int = 2, alpha: float = 1.0, metadata: dict[str, str] | None = None, spelling: str = "kohya", seed: int = 0
) -> bytes:
    """A file that fits the starter: its attention's queries and one layer of a text encoder."""
    random = np.random.default_rng(seed)
    tensors: dict[str, Any] = {}
    for layer, shape in layers_of(STARTER).shapes.items():
        if not layer.endswith(("attn1.to_q", "layers.0.self_attn.q_proj")):
            continue
        down = random.normal(size=(rank, shape[1])).astype("<f2")
        up = random.normal(size=(shape[0], rank)).astype("<f2")
        if spelling == "diffusers":
            tensors |= {f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}
        else:
            part, tail = layer.split(".", 1)
            stem = {"unet": "lora_unet", "text_encoder": "lora_te1", "text_encoder_2": "lora_te2"}[part]
            stem += "_" + tail.replace(".", "_")
            tensors |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
            tensors[f"{stem}.alpha"] = np.asarray(alpha, "<f2")
    return safetensors(tensors, metadata)


def safetensors(tensors: dict[str, Any], metadata: dict[str, str] | None = None) -> bytes:
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    at = 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(tensor.tobytes() for tensor in tensors.values())
