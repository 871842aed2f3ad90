"""Regional compilation: the UNet's repeated blocks, each shape once, and back to eager where that fails.

Compiling one transformer block serves all that are like it, so it takes seconds where the whole UNet takes minutes.
Weights are inputs of what is compiled: writing a style into them in place compiles nothing again.
"""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

# Two widths of blocks, for every size of picture with and without guidance: the default of 8 is used up at once.
MOST_SHAPES = 64


def compiler_there() -> bool:
    """Whether blocks are compiled: by `ENGINE_COMPILE` (1 or 0), else where Triton and a C compiler are at hand."""
    wanted = os.environ.get("ENGINE_COMPILE", "")
    if wanted:
        return wanted == "1"
    return find_spec("triton") is not None and bool(shutil.which("cc") or shutil.which("gcc"))


def compile_blocks(unet: nn.Module, *, wanted: bool, backend: str | Callable[..., Any] = "inductor") -> None:
    """Has the repeated blocks of a UNet compiled when they are first used, or puts their own arithmetic back."""
    repeated: Sequence[str] = getattr(type(unet), "_repeated_blocks", None) or ()
    blocks: list[Any] = [module for module in unet.modules() if type(module).__name__ in repeated]
    if not blocks or (blocks[0]._compiled_call_impl is not None) == wanted:
        return
    for block in blocks if not wanted else ():
        block.compiled_before, block._compiled_call_impl = block._compiled_call_impl, None
    if not wanted:
        return
    import torch._dynamo.config

    torch._dynamo.config.recompile_limit = max(MOST_SHAPES, torch._dynamo.config.recompile_limit)
    guard = _Guard()
    for block in blocks:
        before = getattr(block, "compiled_before", None)
        block._compiled_call_impl = before or guard.around(block._call_impl, backend)


class _Guard:
    """Compiled calls until the first that cannot be compiled: from then on the plain ones, for all blocks."""

    def __init__(self) -> None:
        self._broken = False

    def around(self, plain: Callable[..., Any], backend: str | Callable[..., Any]) -> Callable[..., Any]:
        import torch

        fast = torch.compile(plain, dynamic=False, backend=backend)

        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._broken:
                try:
                    return fast(*args, **kwargs)
                except torch.OutOfMemoryError:
                    raise
                except Exception:  # noqa: BLE001  a compiler fails in many ways, and none of them may cost a picture
                    self._broken = True
                    print("engine: compilation failed, blocks run uncompiled", file=sys.stderr)  # noqa: T201
                    traceback.print_exc(file=sys.stderr)
            return plain(*args, **kwargs)

        return call
