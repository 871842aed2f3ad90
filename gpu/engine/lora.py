"""LoRA files and their merging into a base.

A LoRA layer adds `scale · B·A` to a weight W (Hu et al. 2021, arXiv:2106.09685), with `scale = alpha / rank`. For
pictures the sum over all styles is written into the weights in place, so that any number of styles costs nothing per
step; the untouched weights are kept as masters and copied back first, so that switching leaves no drift.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gpu.engine.contract import StyleWeight
from gpu.engine.failures import Failure, bad_weights, missing_file
from gpu.engine.models import Base

MAX_FILE = 2 * 2**30  # bytes; a rank-128 LoRA of all of SDXL's layers has 1.6 GB
MAX_HEADER = 16 * 2**20
MAX_RANK = 1024
LORAS_KEPT = 16
DTYPES = {"F16", "BF16", "F32"}

# what other tools call the parts of a base
PREFIXES = {
    "lora_unet_": "unet",
    "lora_te1_": "text_encoder",
    "lora_te_": "text_encoder",
    "lora_te2_": "text_encoder_2",
}


@dataclass(frozen=True)
class Layer:
    """`down` (rank, in…) and `up` (out, rank…) of one module; the delta is `scale · up · down`."""

    down: Tensor
    up: Tensor
    scale: float

    def delta(self, device: torch.device) -> Tensor:
        """(out, in) in float32, for convolutions with the kernel flattened into `in`."""
        up = self.up.to(device, torch.float32).flatten(1)
        down = self.down.to(device, torch.float32).flatten(1)
        return (up @ down) * self.scale


@dataclass(frozen=True)
class Lora:
    sha256: str
    layers: Mapping[str, Layer]  # by module name, such as `unet.mid_block.attentions.0…to_q`

    @property
    def touches_text(self) -> bool:
        return any(not name.startswith("unet.") for name in self.layers)


# --- reading -------------------------------------------------------------------------------------------------------


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
    flat = {
        f"{prefix}{_tail(name).replace('.', '_')}": name
        for prefix, part in PREFIXES.items()
        for name in modules
        if name.split(".", 1)[0] == part
    }
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, tensor in _renamed(tensors, flat, base).items():
        stem, role = _split(key)
        name = flat.get(stem, stem)
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


def _renamed(tensors: Mapping[str, Tensor], flat: Mapping[str, str], base: Base) -> Mapping[str, Tensor]:
    """SDXL LoRAs of kohya's trainer count blocks as Stability's own code does: diffusers knows how to translate."""
    if not any(key.startswith(("lora_unet_input_blocks", "lora_unet_output_blocks")) for key in tensors):
        return tensors
    from diffusers.loaders.lora_conversion_utils import _maybe_map_sgm_blocks_to_diffusers

    try:
        return _maybe_map_sgm_blocks_to_diffusers(dict(tensors), base.unet.config)
    except ValueError as error:
        raise bad_weights(
            "This style was made for another base model than the one chosen.", detail=str(error)
        ) from error


def _tail(name: str) -> str:
    return name.split(".", 1)[1]


def targets(base: Base) -> dict[str, nn.Linear | nn.Conv2d]:
    """Every module a LoRA may touch, by name: linear layers and convolutions of the UNet and the text encoders."""
    parts = {"unet": base.unet, "text_encoder": base.text_encoders[0], "text_encoder_2": base.text_encoders[1]}
    return {
        f"{part}.{name}": module
        for part, root in parts.items()
        for name, module in root.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }


# --- writing -------------------------------------------------------------------------------------------------------


def write_lora(path: Path, layers: Mapping[str, Layer], alpha: float, metadata: Mapping[str, str]) -> str:
    """Writes one file under kohya's names, float16, with alpha: what diffusers, ComfyUI and the like all load.

    The same layers and metadata give the same bytes. Returns its sha256.
    """
    tensors: dict[str, Tensor] = {}
    back = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
    for name, layer in layers.items():
        stem = back[name.split(".", 1)[0]] + _tail(name).replace(".", "_")
        tensors[f"{stem}.lora_down.weight"] = layer.down.detach().to("cpu", torch.float16).contiguous()
        tensors[f"{stem}.lora_up.weight"] = layer.up.detach().to("cpu", torch.float16).contiguous()
        tensors[f"{stem}.alpha"] = torch.tensor(float(alpha))
    data = _repeatable(save(tensors, metadata=dict(metadata)))
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def _repeatable(data: bytes) -> bytes:
    """The same safetensors file with its header in order: the library writes metadata in the order of a hash table."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def write_atomically(path: Path, data: bytes) -> None:
    """The file is there whole or not at all, power cuts included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def weight_norm(layers: Mapping[str, Layer]) -> float:
    """Frobenius norm of everything a LoRA adds: the root of the sum of ‖scale·B·A‖² over its layers."""
    return math.sqrt(sum(float(layer.delta(torch.device("cpu")).square().sum()) for layer in layers.values()))


# --- merging -------------------------------------------------------------------------------------------------------


class Mixer:
    """Puts styles into a base's weights and takes them out again.

    Per touched layer it keeps a master copy, and on a switch writes `master + Σ weightᵢ·scaleᵢ·BᵢAᵢ` in place, summed
    in float32. Nothing is ever subtracted, and shapes and pointers stay as they are.
    """

    def __init__(self, base: Base) -> None:
        self.base = base
        self._modules = targets(base)
        self._masters: dict[str, Tensor] = {}
        self._mixed: tuple[tuple[str, float], ...] = ()
        self._kept: OrderedDict[str, Lora] = OrderedDict()

    def read(self, style: StyleWeight) -> Lora:
        """The LoRA of a style, from memory if its bytes were read before."""
        lora = self._kept.pop(style.sha256, None) or read_lora(Path(style.path), style.sha256, self.base)
        self._kept[style.sha256] = lora
        if len(self._kept) > LORAS_KEPT:
            self._kept.popitem(last=False)
        return lora

    def mix(self, styles: Sequence[StyleWeight]) -> None:
        """Makes the base carry exactly these styles at these weights; none gives the bare base back, bit for bit."""
        wanted = tuple((style.sha256, style.weight) for style in styles)
        if wanted == self._mixed:
            return
        loras = [(self.read(style), style.weight) for style in styles]
        touched = {name for lora, _ in loras for name in lora.layers}
        self._mixed = (("unfinished", 0.0),)  # whatever breaks below, the next mix starts from the masters
        for name in sorted(touched | self._masters.keys()):
            self._write(name, [(lora.layers[name], weight) for lora, weight in loras if name in lora.layers])
        for name in self._masters.keys() - touched:
            del self._masters[name]
        self._mixed = wanted
        self.base.text_state = tuple((lora.sha256, weight) for lora, weight in loras if lora.touches_text)

    @torch.no_grad()
    def _write(self, name: str, parts: Sequence[tuple[Layer, float]]) -> None:
        weight = self._modules[name].weight
        if name not in self._masters:
            master = weight.detach().to("cpu", copy=True)
            self._masters[name] = master.pin_memory() if weight.is_cuda else master
        total = self._masters[name].to(weight.device, torch.float32, copy=True)
        for layer, share in parts:
            total += share * layer.delta(weight.device).reshape(total.shape)
        weight.copy_(total)


# --- training ------------------------------------------------------------------------------------------------------


class Trainable:
    """LoRA layers beside a base's frozen ones, as hooks: the base's modules and their names stay as they are."""

    def __init__(self, base: Base, *, endings: Sequence[str], rank: int, alpha: float, seed: int) -> None:
        """`A` is drawn from a normal distribution of deviation 1/rank, `B` is zero: at first it changes nothing."""
        self.scale = alpha / rank
        self.alpha = alpha
        self._modules = {
            name: module
            for name, module in targets(base).items()
            if name.startswith("unet.")
            and isinstance(module, nn.Linear)
            and name.endswith(tuple(f".{e}" for e in endings))
        }
        if not self._modules:
            raise Failure("bad_spec", "This base has no layers that a LoRA could train.", retryable=False)
        generator = torch.Generator().manual_seed(seed)
        self.down: dict[str, nn.Parameter] = {}
        self.up: dict[str, nn.Parameter] = {}
        for name, module in self._modules.items():
            down = torch.randn(rank, module.in_features, generator=generator) / rank
            self.down[name] = nn.Parameter(down.to(base.device))
            self.up[name] = nn.Parameter(torch.zeros(module.out_features, rank, device=base.device))
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def parameters(self) -> Iterator[nn.Parameter]:
        for name in self._modules:
            yield self.down[name]
            yield self.up[name]

    def attach(self) -> None:
        for name, module in self._modules.items():
            self._hooks.append(module.register_forward_hook(self._hook(self.down[name], self.up[name])))

    def detach(self) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def _hook(self, down: nn.Parameter, up: nn.Parameter):  # type: ignore[no-untyped-def]
        def add(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            inner = nn.functional.linear(args[0].to(down.dtype), down)
            return output + (nn.functional.linear(inner, up) * self.scale).to(output.dtype)

        return add

    def layers(self) -> dict[str, Layer]:
        return {
            name: Layer(down=self.down[name].detach(), up=self.up[name].detach(), scale=self.scale)
            for name in self._modules
        }
