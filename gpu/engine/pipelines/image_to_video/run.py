"""One film, from its spec to its file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gpu.engine import hub, memory
from gpu.engine.catalogue import MODELS, model
from gpu.engine.contract import ImageToVideoSpec
from gpu.engine.failures import bad_spec, missing_file
from gpu.engine.memory import Plan
from gpu.engine.memory.guests import visiting
from gpu.engine.models import dtype_for
from gpu.engine.mp4 import Frame
from gpu.engine.pipelines.films import Pace, open_still, preview, shoot, window
from gpu.engine.pipelines.image_to_video.between import smoothed
from gpu.engine.pipelines.image_to_video.cut import Cut, cut
from gpu.engine.pipelines.image_to_video.model import VideoModel, Wanted, load
from gpu.engine.report import Report

if TYPE_CHECKING:
    from gpu.engine.studio import Studio


def run(spec: ImageToVideoSpec, studio: Studio, report: Report) -> None:
    """Writes `film.mp4` and `poster.png` below the spec's `out_dir` and says so."""
    cut(spec, spec.frames)  # too much is refused before anything is loaded
    still = open_still(spec.source)
    report.phase("preparing")
    folder = _folder(spec.model)
    with report.loading():
        studio.clear()
        video = load(folder, torch.device(studio.device), dtype_for(studio.device, "pictures"))
    ladder = memory.plans(
        "film", None, profile=studio.profile, width=spec.width, height=spec.height, frames=spec.frames
    )
    studio.climb(ladder, lambda plan: make(spec, video, still, plan, report), report)


def make(spec: ImageToVideoSpec, video: VideoModel, still: Image.Image, plan: Plan, report: Report) -> None:
    """The same with a model that is there, by one memory plan."""
    if spec.width % video.scale or spec.height % video.scale:
        raise bad_spec(f"The sides of a film must be multiples of {video.scale} pixels.")
    shots = cut(spec, plan.frames or spec.frames)
    pace = Pace(
        report,
        "denoising",
        denoising=(spec.steps * len(shots.segments), 1.0),
        decoding=(sum(shots.segments), 0.1),
    )
    real = islice(_filmed(spec, video, fitted(still, spec.width, spec.height), shots, plan, pace), shots.shown)
    shoot(
        (_frame(picture) for picture in smoothed(real, shots.factor)),
        Path(spec.out_dir),
        width=spec.width,
        height=spec.height,
        fps=shots.fps,
        seed=spec.seed,
        say=shots.say,
        report=report,
    )


def _filmed(
    spec: ImageToVideoSpec, video: VideoModel, first: Tensor, shots: Cut, plan: Plan, pace: Pace
) -> Iterator[Tensor]:
    """The model's own frames (3, h, w), segment after segment; each but the first begins where the last one ended."""
    generator = torch.Generator().manual_seed(spec.seed)
    begin = first
    pace.report.phase("denoising")
    pace.report.preview(0, lambda: preview(_frame(first[0])))  # there is nothing else to see before it is decoded
    for number, frames in enumerate(shots.segments):
        wanted = Wanted(frames=frames, steps=spec.steps, fps=spec.fps, motion=spec.motion, noise=spec.noise)
        conditions = video.conditions(begin, spec.noise, generator)
        with visiting(video.unet, video.device):
            latents = video.denoise(conditions, wanted, plan, generator, lambda _: pace.did("denoising"))
        if number == len(shots.segments) - 1:
            pace.report.phase("finishing")
        for place, picture in enumerate(video.decode(latents, plan.decode_frames)):
            if place or not number:
                yield picture
            pace.did("decoding")
            begin = picture.unsqueeze(0)


def fitted(still: Image.Image, width: int, height: int) -> Tensor:
    """The middle of a picture in a film's shape, (1, 3, height, width) in 0..1."""
    wide, high = window(still.width, still.height, width / height)
    left, top = (still.width - wide) / 2, (still.height - high) / 2
    box = (left, top, min(still.width, left + wide), min(still.height, top + high))
    pixels = np.asarray(still.resize((width, height), Image.Resampling.LANCZOS, box=box), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0)


def _frame(picture: Tensor) -> Frame:
    pixels: Frame = (picture * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return pixels


def _folder(name: str) -> Path:
    """Where the model lies: a name of the catalogue, or a folder in diffusers' layout."""
    if name in MODELS:
        return hub.folder_of(model(name))
    folder = Path(name)
    if not (folder / "unet" / "config.json").is_file():
        raise missing_file("The video model", name)
    return folder
