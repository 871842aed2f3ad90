"""Everything a run needs to go on as if it had never stopped, in one safetensors file.

What is learned and the optimizer's state are the file's tensors; counters travel as JSON in its header. The data order,
the noise and the learning rate of a step are pure functions of seed and step, so that the step itself is all there is
to know of them. One file means one atomic rename: there is never half a snapshot, and only the latest is kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gpu.engine.contract import TrainLoraSpec
from gpu.engine.disk import write_atomically

NAME = "snapshot.safetensors"
VERSION = "2"
PACE = {"snapshot_every_seconds", "preflight", "cache_dir"}  # fields that change nothing of the result


@dataclass
class State:
    """Where a run is. `checkpoints` and `sampled` hold steps whose events the worker has."""

    step: int = 0
    loss: float = 0.0  # running mean
    rate: float = 1.0  # share of the learning rate that is left: halved when the run had to go back
    checkpoints: list[int] = field(default_factory=list)
    sampled: list[int] = field(default_factory=list)


class Learner(Protocol):
    """What a training moves: a LoRA's layers, or the vectors of a word."""

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def attach(self) -> None:
        """From here on the base works with what was learned."""

    def detach(self) -> None: ...

    def norm(self) -> float:
        """How much was learned; 0 for nothing."""

    def write(self, path: Path, metadata: Mapping[str, str]) -> str:
        """Writes what other tools load, and returns its sha256."""


@dataclass(frozen=True)
class Fitted:
    """What of a spec gave way to the memory there was: pixels and rank as they are learned."""

    resolution: int
    rank: int


def fingerprint(spec: TrainLoraSpec) -> str:
    """Of everything that decides the result. A snapshot of another spec is never resumed from.

    Paths are left out, since another worker keeps the same files elsewhere; so is what only changes the pace.
    """
    facts: dict[str, Any] = spec.model_dump(mode="json", exclude=PACE | {"out_dir", "snapshot_dir", "metadata"})
    for image in facts["images"]:
        del image["path"]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def save_snapshot(
    spec: TrainLoraSpec, fitted: Fitted, state: State, learner: Learner, optimizer: torch.optim.Optimizer
) -> Path:
    """Of a run of `spec`, as it was asked for, that learns at what `fitted` says."""
    tensors = {f"learned.{n}": parameter.detach() for n, parameter in enumerate(learner.parameters())}
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
        "fitted": json.dumps(asdict(fitted)),
        "state": json.dumps(asdict(state)),
        "optimizer": json.dumps(numbers),
    }
    data = save({key: tensor.cpu().contiguous() for key, tensor in tensors.items()}, metadata=header)
    path = Path(spec.snapshot_dir) / NAME
    write_atomically(path, data)
    return path


def fitted_before(spec: TrainLoraSpec) -> Fitted | None:
    """What an earlier attempt at this spec had come down to; None where it left no snapshot."""
    header, _ = _read(spec, tensors=False)
    return Fitted(**json.loads(header["fitted"])) if header else None


def load_snapshot(spec: TrainLoraSpec, learner: Learner, optimizer: torch.optim.Optimizer) -> State | None:
    """Puts the latest snapshot of this very spec into `learner` and `optimizer`; None where there is none to use.

    One that was made at another resolution serves; one of another rank does not fit.
    """
    header, tensors = _read(spec, tensors=True)
    parameters = list(learner.parameters())
    kept = [tensor for n in range(len(parameters)) if (tensor := tensors.get(f"learned.{n}")) is not None]
    if not header:
        return None
    if [old.shape for old in kept] != [new.shape for new in parameters]:
        print("the snapshot has other shapes than this run, starting anew", file=sys.stderr)  # noqa: T201
        return None
    with torch.no_grad():
        for old, new in zip(kept, parameters, strict=True):
            new.copy_(old)
    _restore(optimizer, tensors, json.loads(header["optimizer"]))
    return State(**json.loads(header["state"]))


def _read(spec: TrainLoraSpec, *, tensors: bool) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and, if wanted, tensors of the snapshot of this very spec; nothing where there is none to use."""
    path = Path(spec.snapshot_dir) / NAME
    if not path.is_file():
        return {}, {}
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            found = {key: file.get_tensor(key) for key in file.keys()} if tensors else {}  # noqa: SIM118  no mapping
    except SafetensorError as error:
        print(f"snapshot {path} is damaged, starting anew: {error}", file=sys.stderr)  # noqa: T201
        return {}, {}
    if header.get("version") != VERSION or header.get("fingerprint") != fingerprint(spec):
        print(f"snapshot {path} belongs to another run, starting anew", file=sys.stderr)  # noqa: T201
        return {}, {}
    return header, found


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], numbers: dict[str, dict[str, Any]]) -> None:
    state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in numbers.items()}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
