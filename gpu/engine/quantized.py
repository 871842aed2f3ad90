"""Frozen weights held in eight bits and computed with in sixteen or thirty-two: half of fp16's memory.

Each weight is `float8_e4m3fn` times a scale for each of its outputs, so that a row's largest number becomes 448, the
format's largest. A number is then off by at most 1/16 of itself (three bits of mantissa), and one that is smaller than
a 28,000th of its row's largest by at most a 450,000th of that. Layers beside it (LoRA) stay as they are, and gradients
flow through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

FP8 = torch.float8_e4m3fn
LARGEST = torch.finfo(FP8).max  # 448
# What stands outside the blocks is small and says much: time, size and the way in and out.
BLOCKS = ("down_blocks.", "mid_block.", "up_blocks.")

Frozen = nn.Linear | nn.Conv2d


class Small:
    """Has the linear layers and convolutions of a UNet's blocks hold their weights in fp8, until `restore`.

    `masters` are the same weights in full by parameter name, from which they are restored to the last bit. Without them
    `restore` gives what fp8 has left of them.
    """

    def __init__(self, unet: nn.Module, masters: Mapping[str, Tensor] | None = None) -> None:
        self._masters = masters
        self._dtypes: dict[str, torch.dtype] = {}
        self._modules = dict(frozen_layers(unet))
        for name, module in self._modules.items():
            self._dtypes[name] = module.weight.dtype
            shrink(module)

    @property
    def exact(self) -> bool:
        """Whether `restore` brings back what was there before."""
        return self._masters is not None

    def master_of(self, name: str) -> Tensor | None:
        return None if self._masters is None else self._masters.get(name)

    def restore(self) -> None:
        for name, module in self._modules.items():
            master = self._masters[f"{name}.weight"] if self._masters is not None else None
            full = torch.empty_like(module.weight.data, dtype=self._dtypes[name])  # where and how the weight lies
            grow(module, full.copy_(weight_of(module, self._dtypes[name]) if master is None else master))


def frozen_layers(unet: nn.Module) -> Iterator[tuple[str, Frozen]]:
    """The layers that are held in fp8, by name."""
    for name, module in unet.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and name.startswith(BLOCKS):
            yield name, module


def is_small(module: nn.Module) -> bool:
    return getattr(module, "fp8_scale", None) is not None


def shrink(module: Frozen) -> None:
    """Holds this layer's weight in fp8 from here on. The parameter stays the same object."""
    module.fp8_scale = torch.empty(0)
    write(module, module.weight.data)
    forward = _linear(module) if isinstance(module, nn.Linear) else _convolution(module)
    setattr(module, "forward", forward)  # noqa: B010  a method of the class, laid over for this one layer


def grow(module: Frozen, weight: Tensor) -> None:
    """The way back: this weight, and the layer's own arithmetic."""
    module.weight.data = weight
    del module.fp8_scale, module.forward


@torch.no_grad()
def write(module: Frozen, full: Tensor) -> None:
    """Gives a layer that is held in fp8 another weight."""
    rows = full.flatten(1).abs().amax(dim=1).float().clamp(min=torch.finfo(torch.float32).tiny)
    scale = (rows / LARGEST).view(-1, *[1] * (full.dim() - 1))
    module.weight.data = (full.float() / scale).to(FP8)
    module.fp8_scale = scale


def weight_of(module: Frozen, dtype: torch.dtype) -> Tensor:
    """A layer's weight as it is computed with, whether it is held in fp8 or not."""
    weight = module.weight.data
    if not is_small(module):
        return weight.to(dtype)
    return _full(weight, module.fp8_scale, dtype)  # type: ignore[arg-type]


def _full(weight: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    # half precision holds every fp8 number, but not every product with the scale's rounding: once, in float32's range
    return (weight.to(dtype) * scale.to(dtype)) if dtype == torch.float32 else (weight.float() * scale).to(dtype)


class _Linear(torch.autograd.Function):
    """A frozen linear layer that keeps eight bits for the backward pass, not the sixteen it computes with."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight, scale)
        return functional.linear(inputs, _full(weight, scale, inputs.dtype), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        weight, scale = ctx.saved_tensors
        return gradients[0] @ _full(weight, scale, gradients[0].dtype), None, None, None


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None, how: tuple[Any, ...]
    ) -> Tensor:
        ctx.save_for_backward(weight, scale)
        ctx.shape, ctx.how = inputs.shape, how
        return functional.conv2d(inputs, _full(weight, scale, inputs.dtype), bias, *how)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        weight, scale = ctx.saved_tensors
        full = _full(weight, scale, gradients[0].dtype)
        return conv2d_input(ctx.shape, full, gradients[0], *ctx.how), None, None, None, None


def _linear(module: nn.Linear) -> Callable[[Tensor], Tensor]:
    def forward(inputs: Tensor) -> Tensor:
        return _Linear.apply(inputs, module.weight.data, module.fp8_scale, module.bias)

    return forward


def _convolution(module: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    how = (module.stride, module.padding, module.dilation, module.groups)

    def forward(inputs: Tensor) -> Tensor:
        return _Convolution.apply(inputs, module.weight.data, module.fp8_scale, module.bias, how)

    return forward
