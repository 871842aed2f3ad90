"""What an 8 GB card is promised, measured on any GPU under the same cap: our engine, then the library's own recipe.

Both do not fit into the cap at once, so they run one after the other in one process; each run ends with a PNG on disk.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

from gpu.engine.contract import TextToImageSpec
from gpu.engine.studio import Studio
from tests.bench.engine.rows import Row, Target, alternate, faster
from tests.bench.engine.setting import CAP, Setting
from tests.engine.makers import Heard

FAST_STEPS = 4


@dataclass(frozen=True)
class Measured:
    seconds: float  # median of a warm run
    peak: float  # GiB, reserved
    runs: int


def measure(work: Callable[[], object], setting: Setting) -> Measured:
    """One run to warm up, then the measured ones."""
    work()
    if setting.on_gpu:
        torch.cuda.reset_peak_memory_stats(setting.device)
    series = []
    for _ in range(setting.runs):
        setting.settle()
        began = time.perf_counter()
        work()
        setting.settle()
        series.append(time.perf_counter() - began)
    peak = torch.cuda.max_memory_reserved(setting.device) / 2**30 if setting.on_gpu else 0.0
    return Measured(seconds=statistics.median(series), peak=peak, runs=setting.runs)


def release(setting: Setting) -> None:
    gc.collect()
    if setting.on_gpu:
        torch.cuda.empty_cache()


# --- pictures ------------------------------------------------------------------------------------------------------


def pictures(setting: Setting) -> Iterator[Row]:
    """*Fine* against the library's pipeline, same VAE, sampler, steps and guidance; on a GPU that one is offloaded."""
    ours_at, theirs_at = setting.scratch / "ours", setting.scratch / "theirs.png"
    if setting.on_gpu:
        yield from _within_the_cap(setting, ours_at, theirs_at)
    else:
        mine, others = alternate(_ours(setting, ours_at), _offloaded(setting, theirs_at), runs=setting.runs)
        say = "a fine picture with its live previews, against `StableDiffusionXLPipeline`, which has none"
        yield faster("fine_vs_pipeline", say, ours=mine, baseline=others, target=None)
    yield picture_likeness(ours_at / "picture.png", theirs_at)


def _within_the_cap(setting: Setting, ours_at: Path, theirs_at: Path) -> Iterator[Row]:
    ours = measure(_ours(setting, ours_at), setting)
    release(setting)
    theirs = measure(_offloaded(setting, theirs_at), setting)
    yield times("fine_vs_offload", "a fine picture, against `enable_model_cpu_offload`", ours, theirs, 1.3)
    yield Row(
        name="fine_peak",
        say="memory reserved for it at most, of the card's share of 7.0 GiB",
        unit="GiB",
        target=Target("at most", CAP, of="ours"),
        ours=round(ours.peak, 2),
        baseline=round(theirs.peak, 2),
        ratio=round(theirs.peak / ours.peak, 2),
        runs=ours.runs,
    )


def picture_likeness(ours: Path, theirs: Path) -> Row:
    left, right = (np.asarray(Image.open(path).convert("RGB"), dtype=np.float64) for path in (ours, theirs))
    error = float(np.square(left - right).mean())
    return Row(
        name="fine_psnr",
        say="how close the two pictures are: peak signal to noise ratio",
        unit="dB",
        target=Target("at least", 35, of="ours"),
        ours=round(10 * np.log10(255**2 / error), 1) if error else 100.0,
        baseline=100.0,  # equal to the last bit
    )


def fast(setting: Setting) -> Iterator[Row]:
    """Four steps without guidance against the offloaded *fine*: a few-step LoRA's own weights cost no time."""
    quick = replace(setting, steps=FAST_STEPS, guidance=1.0)
    ours = measure(_ours(quick, setting.scratch / "fast"), quick)
    release(setting)
    theirs = measure(_offloaded(setting, setting.scratch / "theirs.png"), setting)
    say = f"a picture in {FAST_STEPS} steps without guidance, against the fine one of `enable_model_cpu_offload`"
    yield times("fast_vs_offload", say, ours, theirs, 5)


def compiled(setting: Setting) -> Iterator[Row]:
    """*Fine* within the cap, against everything resident and compiled on a card without one."""
    ours = measure(_ours(setting, setting.scratch / "ours"), setting)
    release(setting)
    if setting.on_gpu:
        torch.cuda.set_per_process_memory_fraction(1.0, setting.device)
    pipeline = setting.pipeline().to(setting.device)
    pipeline.unet.to(memory_format=torch.channels_last)
    if setting.on_gpu:
        pipeline.unet.compile()
    theirs = measure(_call(pipeline, setting, setting.scratch / "compiled.png"), setting)
    say = "a fine picture, against everything resident and compiled without a cap"
    yield times("fine_vs_compiled", say, ours, theirs, round(1 / 1.1, 3))


def times(name: str, say: str, ours: Measured, theirs: Measured, at_least: float) -> Row:
    return Row(
        name=name,
        say=say,
        unit="s",
        target=Target("at least", at_least),
        ours=round(ours.seconds, 3),
        baseline=round(theirs.seconds, 3),
        ratio=round(theirs.seconds / ours.seconds, 3),
        runs=ours.runs,
    )


def _ours(setting: Setting, out: Path) -> Callable[[], object]:
    """The engine as a worker uses it: a spec in, a PNG out."""
    studio = Studio(setting.device)
    recipe = setting.recipe
    spec = TextToImageSpec(
        base=str(setting.folder),
        out_dir=str(out),
        prompt=recipe.prompt,
        negative_prompt=recipe.negative_prompt,
        width=recipe.width,
        height=recipe.height,
        steps=recipe.steps,
        guidance=recipe.guidance,
        seed=recipe.seed,
    )
    return lambda: studio.run(spec, Heard().report)


def _offloaded(setting: Setting, out: Path) -> Callable[[], object]:
    pipeline = setting.pipeline()
    if setting.on_gpu:
        pipeline.enable_model_cpu_offload(device=setting.device)
        pipeline.vae.enable_tiling()
    return _call(pipeline, setting, out)


def _call(pipeline: StableDiffusionXLPipeline, setting: Setting, out: Path) -> Callable[[], object]:
    recipe = setting.recipe

    def call() -> None:
        arguments: dict[str, Any] = {
            "prompt": recipe.prompt,
            "negative_prompt": recipe.negative_prompt,
            "width": recipe.width,
            "height": recipe.height,
            "num_inference_steps": recipe.steps,
            "guidance_scale": recipe.guidance,
        }
        noise = torch.Generator().manual_seed(recipe.seed)
        pipeline(**arguments, generator=noise).images[0].save(out)

    return call
