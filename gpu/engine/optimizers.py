"""Optimizers by name, and the learning rate over a run."""

from __future__ import annotations

import importlib
import math
from typing import Any

import torch

from gpu.engine.contract import TrainLoraSpec

WARM_UP = 0.05  # share of the steps
FINAL_RATE = 0.1  # of the learning rate, where the cosine ends


def rate_at(step: int, steps: int) -> float:
    """Share of the learning rate at `step`, counted from 1: a short linear warm-up, then a cosine down to a tenth."""
    warm_up = max(1, round(steps * WARM_UP))
    if step <= warm_up:
        return step / warm_up
    gone = (step - warm_up) / max(1, steps - warm_up)
    return FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * gone))


def make_optimizer(spec: TrainLoraSpec, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer asked for; plain AdamW, with the same rate, where its package is not installed."""
    if spec.optimizer == "adafactor":
        return torch.optim.Adafactor(parameters, lr=spec.learning_rate)
    if spec.optimizer == "adamw8bit" and parameters[0].is_cuda and (eight_bit := _optional("bitsandbytes.optim")):
        return eight_bit.AdamW8bit(parameters, lr=spec.learning_rate, weight_decay=0.01)
    if spec.optimizer == "prodigy" and (prodigy := _optional("prodigyopt")):
        return prodigy.Prodigy(parameters, lr=1.0)
    return torch.optim.AdamW(parameters, lr=spec.learning_rate, betas=(0.9, 0.99), weight_decay=0.01)


def _optional(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None
