"""The LoRA layers that a training moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from gpu.engine.failures import bad_spec
from gpu.engine.lora.layers import Layer, targets
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
            if name.startswith("unet.")
            and isinstance(module, nn.Linear)
            and name.endswith(tuple(f".{e}" for e in endings))
        }
        if not self._modules:
            raise bad_spec("This base has no layers that a LoRA could train.")
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

    def _hook(self, down: nn.Parameter, up: nn.Parameter) -> Callable[..., Tensor]:
        def add(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            inner = nn.functional.linear(args[0].to(down.dtype), down)
            return output + (nn.functional.linear(inner, up) * self.scale).to(output.dtype)

        return add

    def layers(self) -> dict[str, Layer]:
        return {
            name: Layer(down=self.down[name].detach(), up=self.up[name].detach(), scale=self.scale)
            for name in self._modules
        }
