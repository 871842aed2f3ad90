"""Encoded references on disk, so that a second training of the same set need not encode them again.

One safetensors file for each picture or text, named by all that decides its content. The folder is bounded: what was
not used for longest goes first. A file that cannot be read counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from gpu.engine.disk import write_atomically
from gpu.engine.models import Base

VERSION = 1  # of how pictures and texts are encoded: a change makes every kept file useless
ENCODING = ("vae", "text_encoder", "text_encoder_2")  # folders of a base in diffusers' layout
MOST = 512 * 2**20  # bytes: 400 pictures of SDXL's size and their captions


class Cache:
    """`folder` is empty for none: then nothing is found and nothing kept."""

    def __init__(self, folder: str, base: Base) -> None:
        self.folder = Path(folder) if folder else None
        self._of = [VERSION, str(base.dtype), base.plan.tile, *_identity(base)]

    def get(self, **key: Any) -> dict[str, Tensor] | None:
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        try:
            found: dict[str, Tensor] = load_file(path)
            os.utime(path)
        except (SafetensorError, OSError, ValueError):
            return None
        return found

    def put(self, tensors: dict[str, Tensor], **key: Any) -> None:
        if path := self._path(key):
            write_atomically(path, save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}))

    def _path(self, key: dict[str, Any]) -> Path | None:
        if self.folder is None:
            return None
        name = hashlib.sha256(json.dumps([self._of, key], sort_keys=True).encode()).hexdigest()
        return self.folder / f"{name[:40]}.safetensors"

    def prune(self) -> None:
        """Leaves at most MOST bytes, and marks the folder as used."""
        if self.folder is None or not self.folder.is_dir():
            return
        os.utime(self.folder)
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        for path in sorted(files, key=lambda path: path.stat().st_mtime):
            if size <= MOST:
                return
            size -= path.stat().st_size
            path.unlink(missing_ok=True)


def _identity(base: Base) -> list[Any]:
    """Which weights encode: a pinned revision says it; of a folder the sizes and times of its files do."""
    facts = base.facts
    if not facts.folder:
        return [facts.name, facts.revision]
    files = sorted(path for part in ENCODING for path in (Path(facts.folder) / part).glob("*") if path.is_file())
    return [facts.folder, *([path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files)]
