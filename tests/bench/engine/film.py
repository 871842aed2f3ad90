"""A film of SVD-XT at full size, against the low-memory recipe of diffusers' documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import StableVideoDiffusionPipeline
from PIL import Image

from gpu.engine.contract import ImageToVideoSpec
from gpu.engine.mp4 import Mp4
from gpu.engine.studio import Studio
from tests.bench.engine import random_models
from tests.bench.engine.full_size import measure, release, times
from tests.bench.engine.rows import Row, Target
from tests.bench.engine.setting import Setting
from tests.engine.makers import Heard

FPS = 6


@dataclass(frozen=True)
class Film:
    """What both sides make: `seconds` is what that many frames of the model come to at FPS."""

    model: Path
    width: int = 1024
    height: int = 576
    frames: int = 25
    steps: int = 25


def rows(setting: Setting) -> Iterator[Row]:
    yield from against_recipe(setting, Film(random_models.svd(setting.folder.parent / "svd-xt", setting.device)))


def against_recipe(setting: Setting, film: Film) -> Iterator[Row]:
    """One side after the other: the two do not fit into the cap together."""
    source = _source(setting.scratch / "source.png", film)
    mine = measure(_ours(setting, film, source), setting)
    release(setting)
    others = measure(_recipe(setting, film, source), setting)
    size = f"{film.width} × {film.height}"
    say = f"a film of {film.frames} frames, {size}, {film.steps} steps, against diffusers' own recipe"
    yield times("film_vs_recipe", say, mine, others, 1.2)
    yield Row(
        name="film_peak_vs_recipe",
        say="its memory, against the same recipe",
        unit="GiB",
        target=Target("at least", round(1 / 0.9, 3)),
        ours=round(mine.peak, 2),
        baseline=round(others.peak, 2),
        ratio=round(others.peak / mine.peak, 3) if mine.peak else None,
        runs=mine.runs,
    )


def _source(path: Path, film: Film) -> Path:
    ramp = np.linspace(0, 255, film.width, dtype=np.uint8)
    Image.fromarray(np.broadcast_to(ramp[None, :, None], (film.height, film.width, 3)).copy()).save(path)
    return path


def _ours(setting: Setting, film: Film, source: Path) -> Callable[[], object]:
    studio = Studio(setting.device)
    spec = ImageToVideoSpec(
        model=str(film.model),
        out_dir=str(setting.scratch / "film"),
        source=str(source),
        width=film.width,
        height=film.height,
        frames=film.frames,
        fps=FPS,
        seconds=4,
        steps=film.steps,
        seed=7,
    )
    return lambda: studio.run(spec, Heard().report)


def _recipe(setting: Setting, film: Film, source: Path) -> Callable[[], object]:
    """https://huggingface.co/docs/diffusers/using-diffusers/svd, "Reduce memory usage"; written by our own encoder."""
    pipeline = StableVideoDiffusionPipeline.from_pretrained(film.model, torch_dtype=setting.dtype)
    pipeline.set_progress_bar_config(disable=True)
    if setting.on_gpu:
        pipeline.enable_model_cpu_offload(device=setting.device)
    pipeline.unet.enable_forward_chunking()
    picture = Image.open(source)

    def call() -> None:
        frames = pipeline(
            picture,
            width=film.width,
            height=film.height,
            num_frames=film.frames,
            num_inference_steps=film.steps,
            decode_chunk_size=2,
            generator=torch.Generator().manual_seed(7),
            output_type="np",
        ).frames[0]
        with Mp4(setting.scratch / "recipe.mp4", width=film.width, height=film.height, fps=FPS) as written:
            for frame in frames:
                written.add((frame * 255).round().astype(np.uint8))

    return call
