"""Putting styles into a base and taking them out again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gpu.engine import inversion, quantized
from gpu.engine.contract import StyleWeight
from gpu.engine.lora.files import read_lora
from gpu.engine.lora.layers import Layer, Lora, targets
from gpu.engine.models import Base

if TYPE_CHECKING:
    from gpu.engine.inversion import Inversion

ROOM = 2 * 2**30  # bytes of host memory for the styles used last: sixty of rank 16, or one of the largest we take


class Mixer:
    """Puts styles into a base's weights and takes them out again.

    Per touched layer it takes a master copy, and on a switch writes `master + Σ weightᵢ·scaleᵢ·BᵢAᵢ` in place, summed
    in float32. Nothing is ever subtracted, and on the device shapes and pointers stay as they are. Learned words go
    into `base.words`, their vectors times the style's weight.
    """

    def __init__(self, base: Base, *, room: int = ROOM) -> None:
        self.base = base
        self.moved_bytes = 0  # of weights and of LoRAs, read and written by all switches so far
        self._room = room
        self._modules = targets(base)
        self._masters: dict[str, Tensor] = {}  # of touched layers, where the base keeps none itself
        self._touched: set[str] = set()
        self._mixed: tuple[tuple[str, float], ...] = ()
        self._kept: OrderedDict[str, Lora | Inversion] = OrderedDict()

    @property
    def kept_bytes(self) -> int:
        """What the styles in host memory take."""
        return sum(_bytes(style) for style in self._kept.values())

    def read(self, style: StyleWeight) -> Lora | Inversion:
        """A style's LoRA or learned word, from memory if its bytes were read before."""
        found = self._kept.pop(style.sha256, None) or self._open(style)
        self._kept[style.sha256] = found
        while len(self._kept) > 1 and self.kept_bytes > self._room:
            self._kept.popitem(last=False)
        return found

    def mix(self, styles: Sequence[StyleWeight]) -> None:
        """Makes the base carry exactly these styles at these weights; none gives the bare base back, bit for bit."""
        wanted = tuple((style.sha256, style.weight) for style in styles)
        if wanted == self._mixed:
            return
        found = [(self.read(style), style.weight) for style in styles]
        loras = [(style, weight) for style, weight in found if isinstance(style, Lora)]
        touched = {name for lora, _ in loras for name in lora.layers}
        self._mixed = (("unfinished", 0.0),)  # whatever breaks below, the next mix starts from the masters
        for name in sorted(touched | self._touched):
            self._touched.add(name)
            self._write(name, [(lora.layers[name], weight) for lora, weight in loras if name in lora.layers])
        for name in self._touched - touched:
            self._masters.pop(name, None)
        self._touched = touched
        self._say_words(found)
        self._mixed = wanted

    def _say_words(self, found: Sequence[tuple[Lora | Inversion, float]]) -> None:
        self.base.words = {
            style.word: (style.vectors[0] * weight, style.vectors[1] * weight)
            for style, weight in found
            if isinstance(style, inversion.Inversion)
        }
        self.base.text_state = tuple((style.sha256, weight) for style, weight in found if _changes_words(style))

    def _open(self, style: StyleWeight) -> Lora | Inversion:
        path = Path(style.path)
        if inversion.is_inversion(path):
            return inversion.read(path, style.sha256, self.base)
        return read_lora(path, style.sha256, self.base)

    # --- one layer ---

    def _master(self, name: str) -> Tensor:
        """A layer's weight as the base has it, in host memory."""
        kept = self.base.master_of(f"{name}.weight")
        if kept is not None:
            return kept
        if name not in self._masters:
            weight = quantized.weight_of(self._modules[name], self.base.dtype)
            master = weight.detach().to("cpu", copy=True)
            self._masters[name] = master.pin_memory() if weight.is_cuda else master
        return self._masters[name]

    @torch.no_grad()
    def _write(self, name: str, parts: Sequence[tuple[Layer, float]]) -> None:
        module, master = self._modules[name], self._master(name)
        weight = module.weight
        here = self.base.device
        self.moved_bytes += master.nbytes + sum(layer.bytes for layer, _ in parts)
        resting = weight.device != here
        if resting and not parts and self.base.masters is not None:
            weight.data = master
            return
        small = quantized.is_small(module)
        if weight.dtype == torch.float32 and weight.is_contiguous() and not (resting or small):
            total = weight.copy_(master)  # summed where it stays
        else:
            # the copy first, then the conversion: the other way round twice the bytes would travel
            total = master.to(here, non_blocking=True).to(torch.float32, copy=True).contiguous()
        for layer, share in parts:
            layer.add_to(total, share)
        if total is weight:
            return
        if small:
            quantized.write(module, total)
        elif resting and self.base.masters is not None and self.base.masters.holds(weight):
            weight.data = total.to(weight.dtype).to("cpu").pin_memory()  # a master is never written to
        else:
            weight.copy_(total)


def _changes_words(style: Lora | Inversion) -> bool:
    return isinstance(style, inversion.Inversion) or style.touches_text


def _bytes(style: Lora | Inversion) -> int:
    if isinstance(style, inversion.Inversion):
        return sum(vectors.nbytes for vectors in style.vectors)
    return sum(layer.bytes for layer in style.layers.values())
