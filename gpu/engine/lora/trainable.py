"""The LoRA layers that a training moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gpu.engine.failures import bad_spec
from gpu.engine.lora.files import write_lora
from gpu.engine.lora.layers import Layer, targets, weight_norm
from gpu.engine.models import Base


class Trainable:
    """LoRA layers beside a base's frozen ones, as hooks: the base's modules and their names stay as they are."""

    def __init__(self, base: Base, *, endings: Sequence[str], rank: int, alpha: float, seed: int) -> None:
        """`A` is drawn from a normal distribution of deviation 1/rank, `B` is zero: at first it changes nothing."""
        self.scale = alpha / rank
        self.alpha = alpha
        self._modules = {
            name: module
            for name, module in targets(base).items()
            if name.startswith("unet.") and name.endswith(tuple(f".{ending}" for ending in endings))
        }
        if not self._modules:
            raise bad_spec("This base has no layers that a LoRA could train.")
        generator = torch.Generator().manual_seed(seed)
        self.down: dict[str, nn.Parameter] = {}
        self.up: dict[str, nn.Parameter] = {}
        for name, module in self._modules.items():
            wide, narrow = module.weight.shape[0], module.weight.shape[1:]
            down = torch.randn(rank, *narrow, generator=generator) / rank
            self.down[name] = nn.Parameter(down.to(base.device))
            self.up[name] = nn.Parameter(torch.zeros(wide, rank, *[1] * (len(narrow) - 1), device=base.device))
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def parameters(self) -> Iterator[nn.Parameter]:
        for name in self._modules:
            yield self.down[name]
            yield self.up[name]

    def attach(self) -> None:
        for name, module in self._modules.items():
            beside = _beside(module, self.down[name], self.up[name], self.scale)
            self._hooks.append(module.register_forward_hook(beside))

    def detach(self) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def norm(self) -> float:
        """Of everything the layers add to the base's weights."""
        return weight_norm(self.layers())

    def write(self, path: Path, metadata: Mapping[str, str]) -> str:
        """Writes one LoRA file, and returns its sha256."""
        return write_lora(path, self.layers(), self.alpha, metadata)

    def layers(self) -> dict[str, Layer]:
        return {
            name: Layer(down=self.down[name].detach(), up=self.up[name].detach(), scale=self.scale)
            for name in self._modules
        }


def _beside(module: nn.Linear | nn.Conv2d, down: Tensor, up: Tensor, scale: float) -> Callable[..., Tensor]:
    """A forward hook that adds `scale · up(down(x))`; a convolution's `down` moves over the picture as it does."""

    def add(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        # autocast brings both to half precision by itself: a copy in full would only take memory
        inputs = args[0] if torch.is_autocast_enabled(args[0].device.type) else args[0].to(down.dtype)
        if isinstance(module, nn.Conv2d):
            low = nn.functional.conv2d(inputs, down, None, module.stride, module.padding)
            delta = nn.functional.conv2d(low, up)
        else:
            delta = nn.functional.linear(nn.functional.linear(inputs, down), up)
        return output + (delta * scale).to(output.dtype)

    return add
