"""Step 2: train the text encoders and the UNet on the latents; stop and resume at will.

    python -m gpu.engine.starter.recipe.train --home DIR --merges WHEEL
    python -m gpu.engine.starter.recipe.train --home DIR --merges WHEEL --anneal-minutes 30

The first command holds the learning rate and saves `stable.safetensors` until it is stopped (Ctrl-C or SIGTERM). The
second goes on from there, lowers the rate to zero over the given time, saves `annealed.safetensors` and ends; the
stable checkpoint stays as it was, so that a later day can train on.
"""

import argparse
import copy
import json
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn.attention import SDPBackend, sdpa_kernel

from . import captions, crew, model, prepare, schedule, sources

log = logging.getLogger(__name__)

MEMBER_BATCH = 16
BASE_RATE = 1e-3
WARMUP_STEPS = 200
SILENT_SHARE = 0.06
"""Text replaced by zeros, which is what SDXL's pipeline feeds for an empty negative prompt."""
SHARES = {"as drawn": 0.72, "moved": 0.06, "coloured": 0.22}
"""How often each kind of picture is seen: mostly the icon in its place, which is quickest to learn."""
EMA_LIMIT = 0.999
SAVE_SECONDS = 180
REPORT_STEPS = 100


class Pictures:
    """The latents, and a caption for each."""

    def __init__(self, path: Path, subjects: dict[str, str], rng: Random) -> None:
        self.latents, self.rows = prepare.read(path)
        self.subjects, self.rng = subjects, rng
        kinds: dict[str, list[int]] = {kind: [] for kind in SHARES}
        for number, row in enumerate(self.rows):
            if row.code in subjects:
                kinds[kind_of(row)].append(number)
        self._kinds = {kind: self._endless(numbers) for kind, numbers in kinds.items()}

    def _endless(self, numbers: list[int]) -> Iterator[int]:
        while True:
            self.rng.shuffle(numbers)
            yield from list(numbers)

    def draw(self, count: int) -> tuple[torch.Tensor, list[str]]:
        """Latents [count, 8, 16, 16] and their captions."""
        kinds = self.rng.choices(list(SHARES), weights=list(SHARES.values()), k=count)
        numbers = [next(self._kinds[kind]) for kind in kinds]
        return self.latents[numbers].float(), [self._caption(self.rows[number]) for number in numbers]

    def _caption(self, row: prepare.Row) -> str:
        return captions.caption(self.rng, name=self.subjects[row.code], style=row.style, background=row.background)


def kind_of(row: prepare.Row) -> str:
    if row.background != "white":
        return "coloured"
    return "moved" if row.variant else "as drawn"


class State:
    """Everything a later run needs to go on."""

    def __init__(self, words: int) -> None:
        self.network = model.Starter(words)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=BASE_RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True
        )
        self.step = 0
        self.samples = 0
        self.seconds = 0.0
        self.losses: list[tuple[int, float]] = []

    def save(self, path: Path) -> None:
        """Write beside, then swap: a checkpoint is whole or absent."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for moment, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{moment}.{name}"] = value
        progress = {"step": self.step, "samples": self.samples, "seconds": self.seconds, "losses": self.losses}
        part = path.with_suffix(".part")
        save_file({name: value.clone() for name, value in tensors.items()}, part, {"progress": json.dumps(progress)})
        os.replace(part, path)

    def load(self, path: Path) -> None:
        with safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
            progress = json.loads(stored.metadata()["progress"])
        self.network.load_state_dict(part_of(tensors, "network."))
        self.average.load_state_dict(part_of(tensors, "average."))
        moments = {name: part_of(tensors, f"optimizer.{name}.") for name in ("step", "exp_avg", "exp_avg_sq")}
        for name, parameter in self.network.named_parameters():
            if name in moments["step"]:
                self.optimizer.state[parameter] = {moment: values[name] for moment, values in moments.items()}
        self.step, self.samples, self.seconds = progress["step"], progress["samples"], progress["seconds"]
        self.losses = progress["losses"]


def part_of(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors under one prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def loss_of(
    network: model.Starter, clean: torch.Tensor, tokens: torch.Tensor, silent: torch.Tensor, shares: torch.Tensor
) -> torch.Tensor:
    """Weighted mean squared error of the velocity √ā·noise − √(1−ā)·clean (Salimans & Ho 2022)."""
    noise = torch.randn_like(clean)
    steps = schedule.draw_steps(len(clean))
    share = shares[steps].view(-1, 1, 1, 1)
    noisy = share.sqrt() * clean + (1 - share).sqrt() * noise
    velocity = share.sqrt() * noise - (1 - share).sqrt() * clean
    # the fused kernel's backward pass takes a quarter of a step on a CPU; plain attention is faster over so few tokens
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        predicted = network(noisy, steps, tokens, silent)
    errors = (predicted.float() - velocity).square().mean(dim=(1, 2, 3))
    weight = schedule.weights(share.view(-1))
    return (errors * weight).sum() / weight.sum()


@dataclass(frozen=True)
class Lesson:
    """What one member of the crew computes at every step; picklable, so that helpers can prepare their own."""

    home: Path
    seed: int

    def __call__(self, place: int) -> tuple[model.Starter, crew.ComputeLoss]:
        seed = self.seed * 101 + place
        torch.manual_seed(seed)
        tokenizer = model.load_tokenizer(self.home / "tokenizer")
        pictures = Pictures(self.home / "trained.safetensors", sources.read_subjects(), Random(seed))
        shares = schedule.signal_shares()

        def compute(network: torch.nn.Module) -> torch.Tensor:
            clean, texts = pictures.draw(MEMBER_BATCH)
            tokens = tokenizer(
                texts, padding="max_length", max_length=model.TOKENS, truncation=True, return_tensors="pt"
            ).input_ids
            return loss_of(network, clean, tokens, torch.rand(MEMBER_BATCH) < SILENT_SHARE, shares)

        return model.Starter(len(tokenizer)), compute


def train(state: State, team: crew.Crew, *, members: int, target: Path, anneal_seconds: float) -> None:
    """Train until asked to stop, or until the rate has reached zero."""
    stop = _stop_flag()
    parameters, averages = list(state.network.parameters()), list(state.average.parameters())
    recent: deque[float] = deque(maxlen=REPORT_STEPS)
    started = saved = reported = time.monotonic()
    seconds_before, reported_samples = state.seconds, state.samples
    while not stop.is_set():
        elapsed = time.monotonic() - started
        annealed = elapsed / anneal_seconds if anneal_seconds else 0.0
        if annealed >= 1:
            break
        for group in state.optimizer.param_groups:
            group["lr"] = schedule.rate(BASE_RATE, step=state.step, warmup=WARMUP_STEPS, annealed=annealed)
        recent.append(team.backward())
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        state.step += 1
        state.samples += MEMBER_BATCH * members
        keep = min(EMA_LIMIT, (1 + state.step) / (20 + state.step))
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 1 - keep)
        state.seconds = seconds_before + time.monotonic() - started
        if state.step % REPORT_STEPS == 0:
            mean = sum(recent) / len(recent)
            state.losses.append((state.samples, mean))
            speed = (state.samples - reported_samples) / (time.monotonic() - reported)
            reported, reported_samples = time.monotonic(), state.samples
            log.info(f"step {state.step} samples {state.samples} loss {mean:.4f} {speed:.0f} samples/s")
        if time.monotonic() - saved > SAVE_SECONDS:
            state.save(target)
            saved = time.monotonic()
    state.save(target)
    team.dismiss()


class _Flag:
    def __init__(self) -> None:
        self._raised = False

    def raise_(self, _signal: int, _frame: FrameType | None) -> None:
        self._raised = True

    def is_set(self) -> bool:
        return self._raised


def _stop_flag() -> _Flag:
    flag = _Flag()
    signal.signal(signal.SIGTERM, flag.raise_)
    signal.signal(signal.SIGINT, flag.raise_)
    return flag


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--merges", type=Path, required=True, help="the open_clip_torch wheel")
    parser.add_argument("--anneal-minutes", type=float, default=0.0)
    parser.add_argument("--resume", choices=("stable", "annealed"), default="stable", help="where to go on from")
    parser.add_argument("--members", type=int, default=2, help="single-threaded processes; at best one per core")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    model.write_tokenizer(options.home / "tokenizer", model.read_merges(options.merges))
    state = State(len(model.load_tokenizer(options.home / "tokenizer")))
    last = options.home / f"{options.resume}.safetensors"
    if last.exists():
        state.load(last)
    count = sum(parameter.numel() for parameter in state.network.parameters())
    log.info(f"{count / 1e6:.2f} M parameters, from sample {state.samples}")
    target = options.home / f"{'annealed' if options.anneal_minutes else 'stable'}.safetensors"
    team = crew.Crew(state.network, Lesson(options.home, state.step), options.members)
    train(state, team, members=options.members, target=target, anneal_seconds=options.anneal_minutes * 60)


if __name__ == "__main__":
    main()
