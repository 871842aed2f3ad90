"""Films of a still: the camera moves over the picture, and nothing in it does. Needs no model and no torch.

Every frame is one resampling of the source itself, at the exact place between its pixels (Lanczos, with the filter
widened where the source is larger than the film). No frame is cut at whole pixels, so nothing trembles, and none is
made from another, so nothing blurs as the film goes on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gpu.engine.contract import CameraMoveSpec
from gpu.engine.contract.specs import Move
from gpu.engine.mp4 import Frame
from gpu.engine.pipelines.films import Pace, open_still, shoot, window
from gpu.engine.report import Report

if TYPE_CHECKING:
    from gpu.engine.studio import Studio

NEAR = 1.3  # how much nearer a push in comes, and a pull out begins
SECONDS_A_FRAME = 0.05  # until one is measured
CLOSE = 1.25  # how near the camera stays in a pan or a tilt: a fifth of the picture passes by


@dataclass(frozen=True)
class View:
    """Where the camera looks: `zoom` ≥ 1, and the window's place within what the zoom leaves, 0..1 on each axis."""

    zoom: float
    across: float = 0.5
    down: float = 0.5


# Where each move begins and ends. The camera turns to the side that the move is named by.
MOVES: dict[Move, tuple[View, View]] = {
    "push_in": (View(1.0), View(NEAR)),
    "pull_out": (View(NEAR), View(1.0)),
    "pan_left": (View(CLOSE, across=1.0), View(CLOSE, across=0.0)),
    "pan_right": (View(CLOSE, across=0.0), View(CLOSE, across=1.0)),
    "tilt_up": (View(CLOSE, down=1.0), View(CLOSE, down=0.0)),
    "tilt_down": (View(CLOSE, down=0.0), View(CLOSE, down=1.0)),
}
SAY: dict[Move, str] = {
    "push_in": "The camera pushes in over the still picture; nothing in it moves.",
    "pull_out": "The camera pulls out over the still picture; nothing in it moves.",
    "pan_left": "The camera pans left over the still picture; nothing in it moves.",
    "pan_right": "The camera pans right over the still picture; nothing in it moves.",
    "tilt_up": "The camera tilts up over the still picture; nothing in it moves.",
    "tilt_down": "The camera tilts down over the still picture; nothing in it moves.",
}


def run(spec: CameraMoveSpec, _studio: Studio | None, report: Report) -> None:
    """Writes `film.mp4` and `poster.png` below the spec's `out_dir` and says so."""
    report.phase("preparing")
    still = open_still(spec.source)
    report.phase("filming")
    pace = Pace(report, "filming", filming=(spec.seconds * spec.fps, SECONDS_A_FRAME))

    def told(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            yield frame  # and is written before the next is asked for
            pace.did("filming")

    shoot(
        told(filmed(still, spec)),
        Path(spec.out_dir),
        width=spec.width,
        height=spec.height,
        fps=spec.fps,
        seed=0,
        say=SAY[spec.move],
        report=report,
    )


def filmed(still: Image.Image, spec: CameraMoveSpec) -> Iterator[Frame]:
    """The frames, from the first view to the last, both included."""
    begin, end = MOVES[spec.move]
    count = spec.seconds * spec.fps
    for number in range(count):
        view = between(begin, end, eased(number / (count - 1)))
        box = box_of(view, still.width, still.height, spec.width / spec.height)
        yield np.asarray(still.resize((spec.width, spec.height), Image.Resampling.LANCZOS, box=box))


def eased(share: float) -> float:
    """From rest to rest: half a cosine, so that speed and its change are smooth."""
    return (1 - math.cos(math.pi * share)) / 2


def between(begin: View, end: View, share: float) -> View:
    """A view on the way. The zoom goes by equal factors in equal times: that is what looks like an even speed."""
    return View(
        zoom=begin.zoom * (end.zoom / begin.zoom) ** share,
        across=begin.across + (end.across - begin.across) * share,
        down=begin.down + (end.down - begin.down) * share,
    )


def box_of(view: View, width: int, height: int, ratio: float) -> tuple[float, float, float, float]:
    """What of a picture a view shows: left, top, right and bottom in its pixels, within it, not rounded."""
    wide, high = window(width, height, ratio)
    wide, high = wide / view.zoom, high / view.zoom
    left, top = (width - wide) * view.across, (height - high) * view.down
    return max(0.0, left), max(0.0, top), min(float(width), left + wide), min(float(height), top + high)
