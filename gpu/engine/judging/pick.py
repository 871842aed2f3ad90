"""Which checkpoint to take, by three measures from 0 to 1, and the reason in words.

*Likeness*: how near the samples' strokes and colours come to the works', from the bare base (0) to what a handful of
the works themselves keep from the others (1). *Following*: whether a sample still shows what it was asked for. *Leak*:
whether a sample repeats a work, although its subject is in none. The score is likeness × following × (1 − leak).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gpu.engine.contract import Judged
from gpu.engine.dataset import fit, to_tensor
from gpu.engine.judging import reading, reasons
from gpu.engine.judging.features import Floats, available, features
from gpu.engine.judging.samples import Samples
from gpu.engine.judging.works import NEAR_BITS, NEAR_SIMILARITY, Near, Works
from gpu.engine.models import Base
from gpu.engine.pipelines.painting import to_picture

FINALISTS = 3
LEAK_SPAN = 0.2  # of similarity, on both sides of the guard's threshold


@dataclass(frozen=True)
class Measured:
    """One checkpoint. `shown` of `of` samples show what was asked; `work` is what its worst sample comes nearest to."""

    step: int
    likeness: float
    following: float
    shown: int
    of: int
    leak: float
    work: str

    @property
    def score(self) -> float:
        return self.likeness * self.following * (1 - self.leak)


@dataclass(frozen=True)
class Choice:
    """`judged` and `finalists` with the best first. Nothing is judged where there is nothing to compare with."""

    judged: list[Judged]
    finalists: list[int]
    say: str


def judge(
    checkpoints: Sequence[int],
    samples: Samples,
    prompts: Sequence[str],
    references: Sequence[Image.Image],
    known: Works,
    base: Base,
    check: Callable[[], None],
) -> Choice:
    """`checkpoints` are steps, ascending; `samples` pictures of `prompts` at the same seeds by step, 0 the base's."""
    candidates = [step for step in checkpoints if step in samples]
    if not available() or 0 not in samples or not candidates:
        return Choice([], [checkpoints[-1]], reasons.NOT_JUDGED)
    bare = samples[0]
    before, works = features(bare), features([_as_drawn(base, picture, bare[0].size) for picture in references])
    certain = reading.certainty(base, bare, prompts, check=check)
    measured = []
    for step in candidates:
        check()
        seen = reading.certainty(base, samples[step], prompts, check=check)
        nearest = max((known.nearest(picture) for picture in samples[step]), key=leak_of)
        measured.append(
            Measured(
                step=step,
                likeness=likeness(features(samples[step]).style, before.style, works.style),
                following=following(seen, certain),
                shown=int((seen > 0).sum()),
                of=len(seen),
                leak=leak_of(nearest),
                work=nearest.work,
            )
        )
    # of two alike the earlier one: it was bent less
    ranked = sorted(measured, key=lambda one: (-round(one.score, 3), one.step))
    judged = [
        Judged(
            step=one.step,
            score=round(one.score, 4),
            likeness=round(one.likeness, 4),
            following=round(one.following, 4),
            leak=round(one.leak, 4),
            say=reasons.of_one(one, measured),
        )
        for one in ranked
    ]
    return Choice(judged, [one.step for one in ranked[:FINALISTS]], reasons.of_pick(ranked))


# --- the three measures --------------------------------------------------------------------------------------------


def likeness(style: Floats, before: Floats, works: Floats) -> float:
    """From style statistics (n, d) of the samples, of the bare base's samples, and (m, d) of the works: 0..1."""
    scale = np.concatenate([before, works]).std(axis=0) + 1e-6
    farthest = _distance(before, works, scale)
    handful = len(style)
    starts = range(0, len(works) - handful, handful)
    shares = [np.isin(np.arange(len(works)), np.arange(start, start + handful)) for start in starts]
    nearest = float(np.mean([_distance(works[own], works[~own], scale) for own in shares])) if shares else 0.0
    if farthest <= nearest:  # the base draws like this already
        return 1.0
    return float(np.clip((farthest - _distance(style, works, scale)) / (farthest - nearest), 0, 1))


def _distance(one: Floats, other: Floats, scale: Floats) -> float:
    """Between the means of two sets, in spreads of a channel."""
    return float(np.sqrt(np.mean(((one.mean(axis=0) - other.mean(axis=0)) / scale) ** 2)))


def following(certain: Floats, before: Floats) -> float:
    """From the base's certainty (n,) that each sample shows its subject, and that its own samples do: 0..1.

    One half for being recognised at all, one half for as much certainty as the base has about its own.
    """
    share = np.clip(certain / np.maximum(before, 1e-6), 0, 1)
    return float(np.mean(((certain > 0) + share) / 2))


def leak_of(found: Near) -> float:
    """0 for a picture of its own, 0.5 where the guard would speak, 1 for the work itself."""
    by_hash = 1 - found.bits / (2 * NEAR_BITS)
    by_features = 0.5 + (found.similarity - NEAR_SIMILARITY) / (2 * LEAK_SPAN)
    return float(np.clip(max(by_hash, by_features), 0, 1))


def _as_drawn(base: Base, picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A work at the samples' size, through the base's own decoder: what no sample could show must not count."""
    fitted = fit(picture, size)
    mean, _spread = base.encode(to_tensor(fitted)[None])
    return to_picture(base.decode(mean)) or fitted
