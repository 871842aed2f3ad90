"""A LoRA file in another spelling, with the same effect: kohya's, or that of diffusers and PEFT.

kohya keeps an `alpha` beside each layer, and the delta is `alpha / rank · up · down`. diffusers' files have none: their
readers take alpha for the rank, so the factor goes into `up`. A factor that is a power of two loses nothing there; `up`
becomes float32 where it would.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gpu.engine.catalogue import BaseFacts
from gpu.engine.failures import bad_weights
from gpu.engine.weights.examine import pairs_of
from gpu.engine.weights.header import Part, Written, read_header, write
from gpu.engine.weights.names import flat_name
from gpu.engine.weights.shapes import layers_of

Format = Literal["kohya", "diffusers"]
FORMATS: tuple[Format, ...] = get_args(Format)
_NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}


def convert(source: Path, target: Path, to: Format, facts: BaseFacts) -> None:
    """Writes `target` in the spelling `to`. Raises Failure `bad_weights`, also where the LoRA does not fit the base."""
    header = read_header(source)
    tensors: list[Written] = []
    for layer, pair in pairs_of(header, layers_of(facts)).items():
        down, up = header.parts[pair.down], header.parts[pair.up]
        alpha = _alpha(source, layer, header.parts[pair.alpha] if isinstance(pair.alpha, str) else pair.alpha)
        if to == "kohya":
            tensors += _kohya(layer, down, up, alpha)
        else:
            tensors.append(_whole(f"{layer}.lora_A.weight", down))
            tensors.append(_scaled(source, f"{layer}.lora_B.weight", up, alpha / pair.rank))
    metadata = {key: value for key, value in header.metadata.items() if key != "lora_adapter_metadata"}
    write(target, tensors, {**metadata, "format": "pt"}, source)


def _kohya(layer: str, down: Part, up: Part, alpha: float) -> list[Written]:
    stem = flat_name(layer)
    number = np.asarray(alpha, dtype="<f4").tobytes()
    return [
        _whole(f"{stem}.lora_down.weight", down),
        _whole(f"{stem}.lora_up.weight", up),
        Written(f"{stem}.alpha", "F32", (), number),
    ]


def _whole(name: str, part: Part) -> Written:
    return Written(name, part.dtype, part.shape, part=part)


def _scaled(source: Path, name: str, up: Part, factor: float) -> Written:
    if factor == 1:
        return _whole(name, up)
    values = _read(source, up).astype(np.float64) * factor
    with np.errstate(over="ignore"):
        short = values.astype("<f2")
    if up.dtype == "F16" and np.array_equal(short.astype(np.float64), values):
        return Written(name, "F16", up.shape, short.tobytes())
    return Written(name, "F32", up.shape, values.astype("<f4").tobytes())


def _alpha(source: Path, layer: str, alpha: Part | float) -> float:
    number = alpha if isinstance(alpha, float) else float(_read(source, alpha).reshape(-1)[0])
    if not np.isfinite(number):
        raise bad_weights("This LoRA holds broken numbers.", detail=f"alpha of {layer}")
    return number


def _read(source: Path, part: Part) -> NDArray[np.generic]:
    with source.open("rb") as file:
        file.seek(part.start)
        data = file.read(part.bytes)
    if part.dtype == "BF16":  # the upper half of a float32
        wide = np.frombuffer(data, "<u2").astype("<u4") << 16
        return wide.view("<f4").reshape(part.shape)
    if part.dtype not in _NUMPY:
        raise bad_weights("This LoRA holds numbers of an unknown kind.", detail=part.dtype)
    return np.frombuffer(data, _NUMPY[part.dtype]).reshape(part.shape)
