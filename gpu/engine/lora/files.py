"""LoRA files: safetensors alone, checked before a tensor is read, written so that every tool can load them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gpu.engine.disk import write_atomically
from gpu.engine.failures import bad_weights, missing_file
from gpu.engine.lora.layers import Layer, Lora, targets
from gpu.engine.lora.names import by_flat_name, diffusers_name, flat_name
from gpu.engine.models import Base

MAX_FILE = 2 * 2**30  # bytes; a rank-128 LoRA of all of SDXL's layers has 1.6 GB
MAX_HEADER = 16 * 2**20
MAX_RANK = 1024
DTYPES = {"F16", "BF16", "F32"}


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lora(path: Path, sha256: str, base: Base) -> Lora:
    """Reads a LoRA for `base`: ours, diffusers' and kohya's names. Checks everything before it reads a tensor.

    Raises Failure `missing_file` or `bad_weights`.
    """
    if not path.is_file():
        raise missing_file("A style's weights", path)
    if path.stat().st_size > MAX_FILE:
        raise bad_weights("This style's file is larger than 2 GB, which no LoRA needs.", detail=str(path))
    _check_header(path)
    if sha256_of(path) != sha256:
        raise bad_weights(
            "This style's file is not the one that was checked in. Train or import it again.", detail=str(path)
        )
    try:
        with safe_open(path, framework="pt") as file:
            _check_tensors(file)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a mapping
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise bad_weights("This style's file is damaged.", detail=f"{path}: {error}") from error
    return Lora(sha256=sha256, layers=_layers(tensors, metadata, base))


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(MAX_HEADER, path.stat().st_size - 8):
        raise bad_weights("This style's file is not a safetensors file.", detail=f"{path}: header of {length} bytes")


def _check_tensors(file: safe_open) -> None:
    for key in file.keys():  # noqa: SIM118
        part = file.get_slice(key)
        if part.get_dtype() not in DTYPES and part.get_shape():  # an alpha may be an integer
            raise bad_weights(
                "This style's file holds numbers of an unknown kind.", detail=f"{key}: {part.get_dtype()}"
            )
        if len(part.get_shape()) not in (0, 1, 2, 4):
            raise bad_weights("This style's file holds something that is no LoRA.", detail=f"{key}: {part.get_shape()}")


def _layers(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], base: Base) -> dict[str, Layer]:
    modules = targets(base)
    flat = by_flat_name(modules)
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        stem, role = _split(key)
        name = flat.get(diffusers_name(stem, base.unet.config["layers_per_block"]), stem)
        if name not in modules:
            raise bad_weights(
                "This style was made for another base model than the one chosen.", detail=f"no module {stem}"
            )
        pairs.setdefault(name, {})[role] = tensor
    alphas = json.loads(metadata.get("lora_adapter_metadata", "{}") or "{}")
    if not pairs:
        raise bad_weights("This style's file holds no LoRA.")
    return {name: _layer(name, parts, modules[name], alphas) for name, parts in pairs.items()}


def _layer(
    name: str, parts: Mapping[str, Tensor], module: nn.Linear | nn.Conv2d, config: Mapping[str, object]
) -> Layer:
    if not {"down", "up"} <= parts.keys():
        raise bad_weights("This style's file is incomplete.", detail=name)
    down, up = parts["down"], parts["up"]
    weight = module.weight
    rank = down.shape[0] if down.dim() else 0
    fits = (
        1 <= rank <= MAX_RANK
        and down.dim() == up.dim() == weight.dim()
        and up.shape[:2] == (weight.shape[0], rank)
        and down.shape[1:] == weight.shape[1:]
        and up.flatten(1).shape[1] == rank
    )
    if not fits:
        detail = f"{name}: {tuple(up.shape)} x {tuple(down.shape)} for {tuple(weight.shape)}"
        raise bad_weights("This style was made for another base model than the one chosen.", detail=detail)
    if not (torch.isfinite(down).all() and torch.isfinite(up).all()):
        raise bad_weights("This style's file holds broken numbers.", detail=name)
    alpha = float(parts["alpha"]) if "alpha" in parts else config.get(f"{name.split('.', 1)[0]}.lora_alpha", rank)
    return Layer(down=down, up=up, scale=float(alpha) / rank)  # type: ignore[arg-type]


_ROLES = {
    ".lora_down.weight": "down", ".lora_A.weight": "down", ".lora.down.weight": "down",
    ".lora_up.weight": "up", ".lora_B.weight": "up", ".lora.up.weight": "up",
    ".alpha": "alpha",
}  # fmt: skip


def _split(key: str) -> tuple[str, str]:
    for ending, role in _ROLES.items():
        if key.endswith(ending):
            return key.removesuffix(ending), role
    raise bad_weights("This style's file is of a kind of LoRA that is not supported.", detail=key)


def write_lora(path: Path, layers: Mapping[str, Layer], alpha: float, metadata: Mapping[str, str]) -> str:
    """Writes one file under kohya's names, float16, with alpha: what diffusers, ComfyUI and the like all load.

    The same layers and metadata give the same bytes. Returns its sha256.
    """
    tensors: dict[str, Tensor] = {}
    for name, layer in layers.items():
        stem = flat_name(name)
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
