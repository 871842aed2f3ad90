"""Regional compilation: the UNet's repeated blocks, each shape once, and back to eager where that fails."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec


def compiler_there() -> bool:
    """Whether blocks are compiled: by `ENGINE_COMPILE` (1 or 0), else where Triton and a C compiler are at hand."""
    wanted = os.environ.get("ENGINE_COMPILE", "")
    if wanted:
        return wanted == "1"
    return find_spec("triton") is not None and bool(shutil.which("cc") or shutil.which("gcc"))
