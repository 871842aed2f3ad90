"""What films have in common: the still they start from, their progress, and how they are handed over. No torch."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gpu.engine.contract import Artifact
from gpu.engine.failures import Failure, missing_file
from gpu.engine.mp4 import Frame, Mp4
from gpu.engine.report import Report

PREVIEW_SIDE = 384  # pixels of the longer side at most
PREVIEW_BYTES = 16_000
FILM, POSTER = "film.mp4", "poster.png"


def open_still(path: str) -> Image.Image:
    """The picture a film starts from, upright and RGB. Raises Failure `missing_file` or `bad_image`."""
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError as error:
        raise missing_file("The picture that the film starts from", path) from error
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise Failure(
            "bad_image",
            "The picture that the film starts from cannot be read. Choose another one.",
            detail=f"{path}: {error}",
            retryable=False,
        ) from error


def window(width: int, height: int, ratio: float) -> tuple[float, float]:
    """Sides of the largest window of that ratio (width / height) in a picture, in its pixels."""
    return (height * ratio, float(height)) if width / height > ratio else (float(width), width / ratio)


class Pace:
    """Progress of work whose steps take about the same time, between two marks of the whole job."""

    def __init__(self, report: Report, steps: int, *, begin: float, end: float) -> None:
        self.report = report
        self.steps = steps
        self.begin, self.end = begin, end
        self.done = 0
        self._started = time.monotonic()

    def step(self) -> None:
        """One more is done. Raises Interrupted if the worker asked the job to end."""
        self.report.check()
        self.done += 1
        share = self.done / self.steps
        passed = time.monotonic() - self._started
        # what comes after the end mark is guessed to go at the pace of what lay before it
        left = passed * ((1 - self.begin) / ((self.end - self.begin) * share) - 1)
        fraction = self.begin + (self.end - self.begin) * share
        self.report.progress(fraction, step=self.done, steps=self.steps, eta=left)


def shoot(
    frames: Iterable[Frame], folder: Path, *, width: int, height: int, fps: int, seed: int, say: str, report: Report
) -> None:
    """Writes `film.mp4` and its first frame as `poster.png` below `folder`, and says so."""
    path, poster = folder / FILM, folder / POSTER
    with Mp4(path, width=width, height=height, fps=fps) as film:
        for frame in frames:
            if not film.frames:
                Image.fromarray(frame).save(poster)
            film.add(frame)
    report.progress(1.0, step=film.frames, steps=film.frames, eta=0.0)
    report.send(
        Artifact(
            job=report.job,
            path=str(path),
            width=width,
            height=height,
            seed=seed,
            poster=str(poster),
            seconds=round(film.frames / fps, 3),
            fps=fps,
            say=say,
        )
    )


def preview(frame: Frame) -> str:
    """A small WebP of a frame, base64, at most 16 kB decoded."""
    image = Image.fromarray(np.ascontiguousarray(frame))
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    for quality in (80, 60, 40, 20):
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=2)
        if buffer.tell() <= PREVIEW_BYTES:
            break
        image.thumbnail((image.width * 3 // 4, image.height * 3 // 4))
    return base64.b64encode(buffer.getvalue()).decode()
