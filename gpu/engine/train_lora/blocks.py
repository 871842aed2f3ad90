"""Gradient checkpointing, block by block: what a block computes is computed again for the backward pass, not kept.

(Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".) The results are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch import nn
from torch.utils.checkpoint import checkpoint

from gpu.engine.memory.plan import Checkpointing


def blocks_of(unet: nn.Module, how: Checkpointing) -> list[nn.Module]:
    """The blocks that keep nothing: all of them; or the convolutional ones, which hold most for what they compute, and
    every second transformer; or none."""
    if how == "none":
        return []
    resnets = [module for module in unet.modules() if isinstance(module, ResnetBlock2D)]
    transformers = [module for module in unet.modules() if isinstance(module, BasicTransformerBlock)]
    return [*resnets, *(transformers if how == "all" else transformers[::2])]


@contextmanager
def checkpointed(unet: nn.Module, how: Checkpointing) -> Iterator[None]:
    """Has these blocks keep nothing for a while."""
    chosen = blocks_of(unet, how)
    for block in chosen:
        block.forward = _again(block.forward)
    try:
        yield
    finally:
        for block in chosen:
            del block.forward  # the class's own is what remains


def _again(forward: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(forward)
    def call(*args: Any, **kwargs: Any) -> Any:
        # nothing in a block draws at random: there is no state to put back
        return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

    return call
