"""Putting styles into a base and taking them out again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from gpu.engine.contract import StyleWeight
from gpu.engine.lora.files import read_lora
from gpu.engine.lora.layers import Layer, Lora, targets
from gpu.engine.models import Base

LORAS_KEPT = 16


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
