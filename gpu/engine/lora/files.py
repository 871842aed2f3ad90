"""LoRA files: safetensors alone, checked before a tensor is read, written so that every tool can load them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gpu.engine.disk import write_atomically
from gpu.engine.failures import bad_weights, missing_file
from gpu.engine.lora.layers import Layer, Lora, targets
from gpu.engine.models import Base
from gpu.engine.weights.examine import Pair, pairs_of
from gpu.engine.weights.header import read_header
from gpu.engine.weights.names import canonical, flat_name
from gpu.engine.weights.shapes import Layers


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lora(path: Path, sha256: str, base: Base) -> Lora:
    """Reads a LoRA for `base`: ours, diffusers' and kohya's names. Checks everything before it reads a tensor.

    Raises Failure `missing_file` or `bad_weights`.
    """
    if not path.is_file():
        raise missing_file("A style's weights", path)
    header = read_header(path)
    if sha256_of(path) != sha256:
        raise bad_weights(
            "This style's file is not the one that was checked in. Train or import it again.", detail=str(path)
        )
    modules = {canonical(name): (name, module) for name, module in targets(base).items()}
    known = Layers(
        title=base.facts.title,
        shapes={layer: tuple(module.weight.shape) for layer, (_, module) in modules.items()},
        layers_per_block=int(base.unet.config["layers_per_block"]),
        cross_attention=int(base.unet.config["cross_attention_dim"]),
    )
    pairs = pairs_of(header, known)
    try:
        with safe_open(path, framework="pt") as file:
            layers = {modules[layer][0]: _layer(layer, pair, file) for layer, pair in pairs.items()}
    except SafetensorError as error:
        raise bad_weights("This style's file is damaged.", detail=f"{path}: {error}") from error
    return Lora(sha256=sha256, layers=layers)


def _layer(name: str, pair: Pair, file: safe_open) -> Layer:
    down, up = file.get_tensor(pair.down), file.get_tensor(pair.up)
    alpha = float(file.get_tensor(pair.alpha)) if isinstance(pair.alpha, str) else pair.alpha
    if not (torch.isfinite(down).all() and torch.isfinite(up).all() and math.isfinite(alpha)):
        raise bad_weights("This style's file holds broken numbers.", detail=name)
    return Layer(down=down, up=up, scale=alpha / pair.rank)


def write_lora(path: Path, layers: Mapping[str, Layer], alpha: float, metadata: Mapping[str, str]) -> str:
    """Writes one file under kohya's names, float16, with alpha: what diffusers, ComfyUI and the like all load.

    The same layers and metadata give the same bytes. Returns its sha256.
    """
    tensors: dict[str, Tensor] = {}
    for name, layer in layers.items():
        stem = flat_name(canonical(name))
        tensors[f"{stem}.lora_down.weight"] = layer.down.detach().to("cpu", torch.float16).contiguous()
        tensors[f"{stem}.lora_up.weight"] = layer.up.detach().to("cpu", torch.float16).contiguous()
        tensors[f"{stem}.alpha"] = torch.tensor(float(alpha))
    data = repeatable(save(tensors, metadata=dict(metadata)))
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def repeatable(data: bytes) -> bytes:
    """The same safetensors file with its header in order: the library writes metadata in the order of a hash table."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]
