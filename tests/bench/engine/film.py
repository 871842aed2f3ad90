"""A film of SVD-XT at full size, against the low-memory recipe of diffusers' documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import StableVideoDiffusionPipeline
from diffusers.utils import export_to_video
from PIL import Image

from gpu.engine.contract import ImageToVideoSpec
from gpu.engine.studio import Studio
from tests.bench.engine import random_models
from tests.bench.engine.full_size import measure, release, times
from tests.bench.engine.rows import Row, Target
from tests.bench.engine.setting import Setting
from tests.engine.makers import Heard

WIDTH, HEIGHT, FRAMES, STEPS, FPS = 1024, 576, 25, 25, 6


def rows(setting: Setting) -> Iterator[Row]:
    folder = random_models.svd(setting.folder.parent / "svd-xt", setting.device)
    source = setting.scratch / "source.png"
    ramp = np.linspace(0, 255, WIDTH, dtype=np.uint8)
    Image.fromarray(np.broadcast_to(ramp[None, :, None], (HEIGHT, WIDTH, 3)).copy()).save(source)
    yield from against_recipe(setting, _ours(setting, folder, source), _recipe(setting, folder, source))


def against_recipe(
    setting: Setting, ours: Callable[[], Callable[[], object]], theirs: Callable[[], Callable[[], object]]
) -> Iterator[Row]:
    """Each side is made when its turn comes: the two do not fit into the cap together."""
    mine = measure(ours(), setting)
    release(setting)
    others = measure(theirs(), setting)
    say = f"a film of {FRAMES} frames, {WIDTH} × {HEIGHT}, {STEPS} steps, against diffusers' own recipe"
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


def _ours(setting: Setting, folder: Path, source: Path) -> Callable[[], Callable[[], object]]:
    def make() -> Callable[[], object]:
        studio = Studio(setting.device)
        spec = ImageToVideoSpec(
            model=str(folder),
            out_dir=str(setting.scratch / "film"),
            source=str(source),
            width=WIDTH,
            height=HEIGHT,
            frames=FRAMES,
            fps=FPS,
            seconds=4,
            steps=STEPS,
            seed=7,
        )
        return lambda: studio.run(spec, Heard().report)

    return make


def _recipe(setting: Setting, folder: Path, source: Path) -> Callable[[], Callable[[], object]]:
    """https://huggingface.co/docs/diffusers/using-diffusers/svd, "Reduce memory usage"."""

    def make() -> Callable[[], object]:
        pipeline = StableVideoDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float16)
        pipeline.set_progress_bar_config(disable=True)
        pipeline.enable_model_cpu_offload(device=setting.device)
        pipeline.unet.enable_forward_chunking()
        picture = Image.open(source)

        def call() -> None:
            frames = pipeline(
                picture,
                width=WIDTH,
                height=HEIGHT,
                num_frames=FRAMES,
                num_inference_steps=STEPS,
                decode_chunk_size=2,
                generator=torch.Generator().manual_seed(7),
            ).frames[0]
            export_to_video(frames, str(setting.scratch / "recipe.mp4"), fps=FPS)

        return call

    return make
