"""What films have in common: the still they start from, their progress, and how they are handed over. No torch."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gpu.engine.contract import Artifact
from gpu.engine.failures import Failure, missing_file
from gpu.engine.mp4 import Frame, Mp4
from gpu.engine.pipelines.small import as_preview
from gpu.engine.progress import Estimate
from gpu.engine.report import Report

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
    """How far a film is: pieces of work of several kinds, each timed from the end of the one before.

    `main` is the kind whose steps the artist counts. A guess in seconds stands for each kind until one is measured.
    """

    def __init__(self, report: Report, main: str, **work: tuple[int, float]) -> None:
        self.report = report
        self.main = main
        self.step, self.steps = 0, work[main][0]
        self._estimate = Estimate()
        for kind, (total, seconds) in work.items():
            self._estimate.expect(kind, total=total, seconds_each=seconds)
        self._last = time.monotonic()

    def did(self, kind: str) -> None:
        """One more piece is done. Raises Interrupted if the worker asked the job to end."""
        self.report.check()
        now = time.monotonic()
        self._estimate.did(kind, now - self._last)
        self._last = now
        self.step += kind == self.main
        # the last hundredth is the file's
        self.report.progress(0.99 * self._estimate.fraction, step=self.step, steps=self.steps, eta=self._estimate.eta)


def shoot(
    frames: Iterable[Frame], folder: Path, *, width: int, height: int, fps: int, seed: int, say: str, report: Report
) -> None:
    """Writes `film.mp4` and its first frame as `poster.png` below `folder`, shows it as it grows, and says so."""
    path, poster = folder / FILM, folder / POSTER
    with Mp4(path, width=width, height=height, fps=fps) as film:
        for frame in frames:
            if not film.frames:
                Image.fromarray(frame).save(poster)
            film.add(frame)
            report.preview(film.frames, lambda shown=frame: preview(shown))  # type: ignore[misc]
    report.progress(1.0, eta=0.0)
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
    return as_preview(Image.fromarray(np.ascontiguousarray(frame)))
