"""What a LoRA is made of: for every touched weight W a delta `scale · B·A`, with `scale = alpha / rank`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gpu.engine.models import Base


@dataclass(frozen=True)
class Layer:
    """`down` (rank, in…) and `up` (out, rank…) of one module; the delta is `scale · up · down`."""

    down: Tensor
    up: Tensor
    scale: float

    @property
    def bytes(self) -> int:
        return self.down.nbytes + self.up.nbytes

    def delta(self, device: torch.device) -> Tensor:
        """(out, in) in float32, for convolutions with the kernel flattened into `in`."""
        up, down = self._pair(device)
        return (up @ down) * self.scale

    def add_to(self, total: Tensor, share: float) -> None:
        """Adds `share` of the delta to a contiguous float32 weight (out, in…), in place and without a copy."""
        up, down = self._pair(total.device)
        total.view(total.shape[0], -1).addmm_(up, down, alpha=share * self.scale)

    def _pair(self, device: torch.device) -> tuple[Tensor, Tensor]:
        # the copy first, then the conversion: the other way round twice the bytes would travel
        return self.up.to(device).float().flatten(1), self.down.to(device).float().flatten(1)


@dataclass(frozen=True)
class Lora:
    sha256: str
    layers: Mapping[str, Layer]  # by module name, such as `unet.mid_block.attentions.0…to_q`

    @property
    def touches_text(self) -> bool:
        return any(not name.startswith("unet.") for name in self.layers)


def weight_norm(layers: Mapping[str, Layer]) -> float:
    """Frobenius norm of everything a LoRA adds: the root of the sum of ‖scale·B·A‖² over its layers."""
    return math.sqrt(sum(float(layer.delta(torch.device("cpu")).square().sum()) for layer in layers.values()))


def targets(base: Base) -> dict[str, nn.Linear | nn.Conv2d]:
    """Every module a LoRA may touch, by name: linear layers and convolutions of the UNet and the text encoders."""
    parts = {"unet": base.unet, "text_encoder": base.text_encoders[0], "text_encoder_2": base.text_encoders[1]}
    return {
        f"{part}.{name}": module
        for part, root in parts.items()
        for name, module in root.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }
