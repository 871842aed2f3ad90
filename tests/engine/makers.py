"""Specs and small helpers shared by the engine's tests."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import nn

from gpu.engine import contract, train_lora
from gpu.engine.contract import SamplePrompt, StyleWeight, TextToImageSpec, TrainingImage, TrainLoraSpec
from gpu.engine.lora import Layer, Mixer, targets, write_lora
from gpu.engine.models import Base
from gpu.engine.pipelines.painting import Recipe
from gpu.engine.report import Interrupted, Report

RECIPE = Recipe(prompt="a red fox", negative_prompt="", width=64, height=64, steps=4, guidance=4.0, seed=7)


class Heard:
    """A report whose events are kept. `after` says a word to the job once an event of that kind has come."""

    def __init__(self, *, after: str = "", count: int = 1, say: contract.Outcome = "cancelled") -> None:
        self.events: list[BaseModel] = []
        self._after, self._left, self._say = after, count, say
        self.report = Report("job", self._keep)
        self.report.begin()

    def _keep(self, event: BaseModel) -> None:
        self.events.append(event)
        if event.event == self._after:  # type: ignore[attr-defined]
            self._left -= 1
            if self._left == 0:
                self.report.ask(self._say)

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.event == kind]  # type: ignore[attr-defined]


def picture_spec(base: Path | str, out: Path, **changes: Any) -> TextToImageSpec:
    facts: dict[str, Any] = {
        "base": str(base),
        "out_dir": str(out),
        "prompt": "a red fox",
        "width": 64,
        "height": 64,
        "steps": 4,
        "guidance": 4.0,
        "seed": 7,
    }
    return TextToImageSpec(**{**facts, **changes})


def training_spec(base: Path | str, out: Path, images: Iterable[Path], **changes: Any) -> TrainLoraSpec:
    facts: dict[str, Any] = {
        "base": str(base),
        "out_dir": str(out / "out"),
        "snapshot_dir": str(out / "snapshots"),
        "images": [TrainingImage(id=path.stem, path=str(path), caption="stripes") for path in images],
        "trigger_word": "zorli",
        "steps": 6,
        "checkpoint_steps": [3, 6],
        "rank": 4,
        "alpha": 2.0,
        "learning_rate": 1e-3,
        "batch": 4,
        "resolution": 64,
        "flip": True,
        "seed": 11,
        "samples": [SamplePrompt(prompt="a red fox, zorli", seed=1)],
        "sample_steps": 2,
    }
    return TrainLoraSpec(**{**facts, **changes})


def train(spec: TrainLoraSpec, base: Base, heard: Heard | None = None) -> Heard:
    """Trains to the end, or to the word that `heard` says."""
    heard = heard or Heard()
    try:
        train_lora.check(spec, heard.report)
        train_lora.train(spec, base, Mixer(base), heard.report)
    except Interrupted as interruption:
        heard.report.done(interruption.outcome)
    else:
        heard.report.done("finished")
    return heard


def random_lora(base: Base, path: Path, *, rank: int, alpha: float, seed: int, strength: float = 0.3) -> StyleWeight:
    """A LoRA file with random weights on every attention layer of the UNet, strong enough to be seen."""
    generator = torch.Generator().manual_seed(seed)
    layers = {}
    for name, module in targets(base).items():
        if name.startswith("unet.") and name.endswith((".to_q", ".to_k", ".to_v", ".to_out.0")):
            down = torch.randn(rank, module.weight.shape[1], generator=generator) * strength
            up = torch.randn(module.weight.shape[0], rank, generator=generator) * strength
            layers[name] = Layer(down=down, up=up, scale=alpha / rank)
    sha256 = write_lora(path, layers, alpha, {"ss_network_dim": str(rank)})
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    return StyleWeight(path=str(path), sha256=sha256, weight=1.0)


def weights_of(base: Base) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in base.unet.state_dict().items()}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def tensor_bytes() -> int:
    """What all tensors that anybody holds take together, each storage once."""
    gc.collect()
    storages = {}
    for thing in gc.get_objects():
        if type(thing) in (torch.Tensor, nn.Parameter):
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())
