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
    """Sends a module to host memory, pinned: from there a copy to the device needs no detour. One at rest stays so."""
    for tensor in tensors_of(module):
        if tensor.device.type != "cpu":
            tensor.data = tensor.data.to("cpu")
        if torch.cuda.is_available() and not tensor.data.is_pinned():
            tensor.data = tensor.data.pin_memory()


@contextmanager
def visiting(module: nn.Module, device: torch.device, dtype: torch.dtype | None = None) -> Iterator[None]:
    """Brings a resting module to the device for a while, in `dtype` if one is given.

    Weights do not change there, so nothing is copied back. A module that is there already is left as it is.
    """
    resting = [(tensor, tensor.data) for tensor in tensors_of(module) if _elsewhere(tensor, device)]
    for tensor, host in resting:
        there = host.to(
            device, non_blocking=True, copy=True
        )  # the copy first: numbers are converted where that is fast
        tensor.data = there.to(dtype) if dtype and there.is_floating_point() else there
    try:
        yield
    finally:
        for tensor, host in resting:
            tensor.data = host


def _elsewhere(tensor: Tensor, device: torch.device) -> bool:
    return tensor.device.type != device.type
