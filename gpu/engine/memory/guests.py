"""Modules that rest in host memory and visit the device: copied in, and dropped rather than copied back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def tensors_of(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def rest(module: nn.Module) -> None:
    """Sends a module to host memory, pinned, where a copy to the device needs no detour."""
    for tensor in tensors_of(module):
        if tensor.device.type != "cpu":
            tensor.data = tensor.data.to("cpu")
        if torch.cuda.is_available() and not tensor.data.is_pinned():
            tensor.data = tensor.data.pin_memory()


@contextmanager
def visiting(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Brings a resting module to the device for a while. Weights do not change there, so nothing is copied back."""
    resting = [(tensor, tensor.data) for tensor in tensors_of(module) if tensor.device.type != device.type]
    for tensor, host in resting:
        tensor.data = host.to(device, non_blocking=True)
    try:
        yield
    finally:
        for tensor, host in resting:
            tensor.data = host
