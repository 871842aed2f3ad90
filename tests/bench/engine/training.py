"""Training steps against the plain reference trainer, with the same settings and the same pictures.

`tests/engine/test_reference.py` shows that both have the same loss and gradients. The reference does what diffusers'
scripts do: it encodes every picture in every step. Both run on the base's own training resolution.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gpu.engine.catalogue import describe
from gpu.engine.contract import TrainingImage, TrainLoraSpec
from gpu.engine.studio import Studio
from tests.bench import reference
from tests.bench.engine.full_size import release
from tests.bench.engine.rows import Row, Target
from tests.bench.engine.setting import Setting
from tests.engine.makers import Heard

PICTURES = 8
SD_SCRIPTS_GB = 4.4  # kohya-ss/sd-scripts, pull request 1057: 1024 px, fp8 base, cached, batch 1
AT_MOST = 1.05


def rows(setting: Setting) -> Iterator[Row]:
    few, many = (6, 18) if setting.runs <= 5 else (10, 50)
    pictures = _pictures(setting)
    ours = _ours(setting, pictures, few=few, many=many)
    own_peak = _peak(setting)
    release(setting)
    theirs, note = _reference(setting, pictures, few=few, many=many)
    their_peak = _peak(setting)
    batch = describe(str(setting.folder)).training.batch
    yield Row(
        name="train_steps_vs_reference",
        say=f"a training step of {batch}, against the plain reference with the flags of diffusers' low-memory recipe",
        unit="ms",
        target=Target("at least", 1.4 if setting.on_gpu else 1.0),
        ours=round(ours * 1000, 2),
        baseline=round(theirs * 1000, 2),
        ratio=round(theirs / ours, 3),
        runs=many - few,
        note=note,
    )
    if setting.on_gpu:
        yield Row(
            name="train_peak_vs_reference",
            say="memory of a training, against the plain reference",
            unit="GiB",
            target=Target("at least", 2),
            ours=round(own_peak / 2**30, 2),
            baseline=round(their_peak / 2**30, 2),
            ratio=round(their_peak / own_peak, 3),
            note=note,
        )
        yield Row(
            name="train_peak_vs_sd_scripts",
            say=f"memory of a training, against sd-scripts' published {SD_SCRIPTS_GB:g} GB",
            unit="GB",
            target=Target("at most", round(SD_SCRIPTS_GB * AT_MOST, 2), of="ours"),
            ours=round(own_peak / 1e9, 2),
            baseline=SD_SCRIPTS_GB,
            ratio=round(SD_SCRIPTS_GB * 1e9 / own_peak, 3),
        )


def _pictures(setting: Setting) -> list[Path]:
    side = describe(str(setting.folder)).training.resolution
    paths = []
    for number in range(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)
        paths.append(setting.scratch / f"picture-{number}.png")
        Image.fromarray(pixels).save(paths[-1])
    return paths


def _ours(setting: Setting, pictures: list[Path], *, few: int, many: int) -> float:
    """Seconds of a step: two runs of different length, everything before the steps taken off by their difference."""
    profile = describe(str(setting.folder)).training
    studio = Studio(setting.device)

    def run(steps: int) -> float:
        out = setting.scratch / f"ours-{steps}"
        spec = TrainLoraSpec(
            base=str(setting.folder),
            out_dir=str(out),
            snapshot_dir=str(out / "snapshots"),
            images=[TrainingImage(id=path.stem, path=str(path), caption="a fox") for path in pictures],
            trigger_word="zorli",
            steps=steps,
            checkpoint_steps=[steps],
            rank=profile.rank,
            alpha=profile.alpha,
            learning_rate=profile.learning_rate,
            batch=profile.batch,
            resolution=profile.resolution,
            optimizer="adamw8bit" if setting.on_gpu else "adamw",
            seed=7,
            preflight=False,
            snapshot_every_seconds=3600,
        )
        began = time.perf_counter()
        studio.run(spec, Heard().report)
        setting.settle()
        return time.perf_counter() - began

    run(2)  # to warm up
    if setting.on_gpu:
        torch.cuda.reset_peak_memory_stats(setting.device)
    short = run(few)
    return (run(many) - short) / (many - few)


def _reference(setting: Setting, pictures: list[Path], *, few: int, many: int) -> tuple[float, str]:
    """Seconds of a step, and a note where it does not fit into the cap and ran without one."""
    try:
        return _reference_seconds(setting, pictures, few=few, many=many), ""
    except torch.OutOfMemoryError:
        release(setting)
    torch.cuda.set_per_process_memory_fraction(1.0, setting.device)
    return _reference_seconds(setting, pictures, few=few, many=many), "the reference does not fit into the cap"


def _reference_seconds(setting: Setting, pictures: list[Path], *, few: int, many: int) -> float:
    profile = describe(str(setting.folder)).training
    settings = replace(
        reference.DREAMBOOTH if setting.on_gpu else reference.TEXT_TO_IMAGE,
        rank=profile.rank,
        alpha=profile.alpha,
        targets=profile.targets,
        batch=profile.batch,
        accumulation=1,
    )
    if setting.on_gpu:
        torch.cuda.reset_peak_memory_stats(setting.device)
    parts = reference.load_parts(setting.folder, settings, setting.device, setting.dtype)
    marks: list[float] = []

    def goes_on(done: int) -> bool:
        setting.settle()
        marks.append(time.perf_counter())
        return done < many

    opened = [Image.open(path) for path in pictures]
    reference.train_reference(parts, opened, ["a fox"] * len(opened), settings, seed=7, goes_on=goes_on)
    return (marks[-1] - marks[few]) / (many - few)


def _peak(setting: Setting) -> int:
    """Bytes reserved at most since it was last reset."""
    return int(torch.cuda.max_memory_reserved(setting.device)) if setting.on_gpu else 0
