"""Everything a run needs to go on as if it had never stopped, in one safetensors file.

Tensors (LoRA weights and optimizer state) are the file's tensors; counters travel as JSON in its header. The data
order, the noise and the learning rate of a step are pure functions of seed and step, so that the step itself is all
there is to know of them. One file means one atomic rename: there is never half a snapshot, and only the latest is kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gpu.engine.contract import TrainLoraSpec
from gpu.engine.disk import write_atomically
from gpu.engine.lora import Trainable

NAME = "snapshot.safetensors"
VERSION = "1"


@dataclass
class State:
    """Where a run is. `checkpoints` and `sampled` hold steps whose events the worker has."""

    step: int = 0
    loss: float = 0.0  # running mean
    checkpoints: list[int] = field(default_factory=list)
    sampled: list[int] = field(default_factory=list)


def fingerprint(spec: TrainLoraSpec) -> str:
    """Of everything that decides the result. A snapshot of another spec is never resumed from.

    Paths are left out, since another worker keeps the same files elsewhere; so is what only changes the pace.
    """
    facts: dict[str, Any] = spec.model_dump(
        mode="json", exclude={"out_dir", "snapshot_dir", "snapshot_every_seconds", "metadata"}
    )
    for image in facts["images"]:
        del image["path"]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def save_snapshot(spec: TrainLoraSpec, state: State, lora: Trainable, optimizer: torch.optim.Optimizer) -> Path:
    tensors = {f"lora.{n}": parameter.detach() for n, parameter in enumerate(lora.parameters())}
    numbers: dict[str, dict[str, Any]] = {}
    for index, values in optimizer.state_dict()["state"].items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{key}"] = value
            else:
                numbers.setdefault(str(index), {})[key] = value
    header = {
        "version": VERSION,
        "fingerprint": fingerprint(spec),
        "state": json.dumps(asdict(state)),
        "optimizer": json.dumps(numbers),
    }
    data = save({key: tensor.cpu().contiguous() for key, tensor in tensors.items()}, metadata=header)
    path = Path(spec.snapshot_dir) / NAME
    write_atomically(path, data)
    return path


def load_snapshot(spec: TrainLoraSpec, lora: Trainable, optimizer: torch.optim.Optimizer) -> State | None:
    """Puts the latest snapshot of this very spec into `lora` and `optimizer`; None where there is none to use."""
    path = Path(spec.snapshot_dir) / NAME
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a mapping
    except SafetensorError as error:
        print(f"snapshot {path} is damaged, starting anew: {error}", file=sys.stderr)  # noqa: T201
        return None
    if header.get("version") != VERSION or header.get("fingerprint") != fingerprint(spec):
        print(f"snapshot {path} belongs to another run, starting anew", file=sys.stderr)  # noqa: T201
        return None
    with torch.no_grad():
        for n, parameter in enumerate(lora.parameters()):
            parameter.copy_(tensors[f"lora.{n}"])
    _restore(optimizer, tensors, json.loads(header["optimizer"]))
    return State(**json.loads(header["state"]))


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], numbers: dict[str, dict[str, Any]]) -> None:
    state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in numbers.items()}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
