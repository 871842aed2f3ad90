"""How a film of some seconds is put together from what the model makes at a time. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from gpu.engine.contract import ImageToVideoSpec
from gpu.engine.failures import bad_spec

SHORT = 14  # frames of the shortest segment that the model was trained on
SMOOTH = 24  # frames a second of a finished film, where the model's own rate divides it
MAX_SEGMENTS = 4  # each begins with what the last has lost: after some the picture has worn off


@dataclass(frozen=True)
class Cut:
    """`segments` holds the frames of each; `shown` of them all are used, as a segment begins where the last one ends.

    Between two of these, `factor` - 1 frames are computed; the film runs at `fps`.
    """

    segments: tuple[int, ...]
    shown: int
    factor: int
    fps: int

    @property
    def say(self) -> str:
        first, *more = self.segments
        made = f"The model made {first} frames"
        if more:
            counts = " and ".join(map(str, more))
            made += f", then {counts} more from the last of them" if len(more) == 1 else f", then {counts} more in turn"
        if self.factor == 1:
            return made + "."
        between = "One frame" if self.factor == 2 else f"{self.factor - 1} frames"
        return f"{made}. {between} between each two {'is' if self.factor == 2 else 'are'} computed from their motion."


def cut(spec: ImageToVideoSpec, frames: int) -> Cut:
    """The segments for a spec, of `frames` each (its own, or what memory leaves). The last is no longer than needed."""
    intervals = spec.seconds * spec.fps
    segments: list[int] = []
    left = intervals
    while left > 0:
        size = SHORT if left < SHORT else frames
        segments.append(size)
        left -= size - 1
    if len(segments) > MAX_SEGMENTS:
        raise bad_spec(
            f"{spec.seconds} seconds at {spec.fps} frames a second are more than the model can make in one go. "
            "Choose a calmer pace.",
            detail=f"{len(segments)} segments of {frames} frames",
        )
    factor = max(1, SMOOTH // spec.fps)
    return Cut(segments=tuple(segments), shown=intervals + 1, factor=factor, fps=spec.fps * factor)
