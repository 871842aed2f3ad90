"""The header of a safetensors file, read and checked without reading a tensor, and files written part by part.

The format: eight bytes with the header's length, the header as JSON, then the tensors one behind the other.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from gpu.engine.failures import bad_weights

MAX_FILE = 2 * 2**30  # bytes; a rank-128 LoRA of all of SDXL's layers has 1.6 GB
MAX_HEADER = 16 * 2**20
MAX_PARTS = 20_000  # SDXL has 1,700 layers; each brings three
BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
    "U16": 2, "U32": 4, "U64": 8, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip
_COPIED = 1 << 20  # bytes at a time
_NOT_ONE = "This is not a safetensors file."


@dataclass(frozen=True)
class Part:
    """One tensor: its kind of numbers, its shape, and where its bytes lie in the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    bytes: int


@dataclass(frozen=True)
class Header:
    parts: Mapping[str, Part]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_header(path: Path) -> Header:
    """What a file says it holds. Raises Failure `bad_weights` where that cannot be."""
    size = path.stat().st_size
    if size > MAX_FILE:
        raise bad_weights("This file is larger than 2 GB, which no LoRA needs.", detail=str(path))
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MAX_HEADER, size - 8):
            raise bad_weights(_NOT_ONE, detail=f"a header of {length} bytes in a file of {size}")
        text = file.read(length)
    try:
        written = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise bad_weights("This file is damaged: its header cannot be read.", detail=str(error)[:200]) from error
    if not isinstance(written, dict):
        raise bad_weights(_NOT_ONE, detail="the header is no object")
    metadata = written.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise bad_weights("This file is damaged.", detail="its metadata is not text")
    if len(written) > MAX_PARTS:
        raise bad_weights("This file holds more than a LoRA can.", detail=f"{len(written)} tensors")
    parts = {name: _part(name, entry, 8 + length) for name, entry in written.items()}
    _require_seamless(parts, 8 + length, size)
    return Header(parts, metadata)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a name appears twice")
    return read


def _part(name: str, entry: Any, first: int) -> Part:
    try:
        dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = [*shape, start, end]
        if dtype not in BYTES or not all(type(number) is int and 0 <= number < 2**40 for number in whole):
            raise ValueError("impossible numbers")
        if math.prod(shape) * BYTES[dtype] != end - start:
            raise ValueError("its size does not follow from its shape")
    except (TypeError, KeyError, ValueError) as error:
        raise bad_weights("This file is damaged.", detail=f"{name[:100]}: {error}") from error
    return Part(dtype, tuple(shape), first + start, end - start)


def _require_seamless(parts: Mapping[str, Part], first: int, size: int) -> None:
    """The tensors fill the file without gaps and without sharing bytes: nothing can hide between them."""
    at = first
    for part in sorted(parts.values(), key=lambda part: (part.start, part.bytes)):
        if part.start != at:
            raise bad_weights(
                "This file is damaged.", detail=f"bytes {at} to {part.start} belong to no tensor, or to two"
            )
        at += part.bytes
    if at != size:
        raise bad_weights(
            "This file is damaged: it is cut off, or something follows its end.", detail=f"{at} of {size} bytes"
        )


@dataclass(frozen=True)
class Written:
    """One tensor to write: a part of `source` as it is, or `data`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes = b""
    part: Part | None = None

    @property
    def bytes(self) -> int:
        return self.part.bytes if self.part else len(self.data)


def write(target: Path, tensors: Iterable[Written], metadata: Mapping[str, str], source: Path) -> None:
    """Writes a file whole or not at all; the same tensors and metadata give the same bytes."""
    ordered = sorted(tensors, key=lambda one: one.name)
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for one in ordered:
        header[one.name] = {"dtype": one.dtype, "shape": list(one.shape), "data_offsets": [at, at + one.bytes]}
        at += one.bytes
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as out, source.open("rb") as file:
            out.write(len(text).to_bytes(8, "little") + text)
            for one in ordered:
                _copy(file, one.part, out) if one.part else out.write(one.data)
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _copy(file: IO[bytes], part: Part, out: IO[bytes]) -> None:
    file.seek(part.start)
    left = part.bytes
    while left:
        chunk = file.read(min(_COPIED, left))
        if not chunk:
            raise bad_weights("This file is damaged: it is cut off.")
        out.write(chunk)
        left -= len(chunk)
