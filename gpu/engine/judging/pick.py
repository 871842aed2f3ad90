"""Which checkpoint to take, by three measures from 0 to 1, and the reason in words.

*Likeness*: how near the samples' strokes and colours come to the works', from the bare base (0) to what a handful of
the works themselves keep from the others (1). *Following*: whether a sample still shows what it was asked for. *Leak*:
whether a sample repeats a work, although its subject is in none. The score is likeness × following × (1 − leak).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gpu.engine.contract import Judged
from gpu.engine.dataset import fit, to_tensor
from gpu.engine.judging import reasons
from gpu.engine.judging.features import Features, Floats, available, features
from gpu.engine.judging.samples import Samples
from gpu.engine.judging.works import NEAR_BITS, NEAR_SIMILARITY, Near, Works
from gpu.engine.models import Base
from gpu.engine.pipelines.painting import to_picture

FINALISTS = 3


@dataclass(frozen=True)
class Measured:
    """One checkpoint. `work` is the work that its worst sample comes nearest to."""

    step: int
    likeness: float
    following: float
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
    checkpoints: Sequence[int], samples: Samples, references: Sequence[Image.Image], known: Works, base: Base
) -> Choice:
    """`checkpoints` are steps, ascending; `samples` pictures at the same prompts and seeds by step, 0 the base's."""
    candidates = [step for step in checkpoints if step in samples]
    if not available() or 0 not in samples or not candidates:
        return Choice([], [checkpoints[-1]], reasons.NOT_JUDGED)
    bare = samples[0]
    drawn = [_as_drawn(base, picture, bare[0].size) for picture in references]
    before, works = features(bare), features(drawn)
    measured = [_measure(step, samples[step], before, works, known) for step in candidates]
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


def _measure(step: int, pictures: Sequence[Image.Image], before: Features, works: Features, known: Works) -> Measured:
    seen = features(pictures)
    nearest = [known.nearest(picture) for picture in pictures]
    worst = max(nearest, key=leak_of)
    return Measured(
        step=step,
        likeness=likeness(seen.style, before.style, works.style),
        following=following(seen.content, before.content),
        leak=leak_of(worst),
        work=worst.work,
    )


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


def following(content: Floats, before: Floats) -> float:
    """Whether each sample is nearest to what the bare base drew at the same prompt and seed: 0..1.

    What all samples of a step share (the style) is taken off both sides, so that the subjects alone are compared.
    """
    own, other = content - content.mean(axis=0), before - before.mean(axis=0)
    own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-6)
    other /= np.maximum(np.linalg.norm(other, axis=1, keepdims=True), 1e-6)
    return float(np.clip((own * other).sum(axis=1), 0, 1).mean())


def leak_of(found: Near) -> float:
    """0 for a picture of its own, 0.5 where the guard would speak, 1 for the work itself."""
    by_hash = 1 - found.bits / (2 * NEAR_BITS)
    by_features = (found.similarity - (2 * NEAR_SIMILARITY - 1)) / (2 * (1 - NEAR_SIMILARITY))
    return float(np.clip(max(by_hash, by_features), 0, 1))


def _as_drawn(base: Base, picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A work at the samples' size, through the base's own decoder: what no sample could show must not count."""
    fitted = fit(picture, size)
    mean, _spread = base.encode(to_tensor(fitted)[None])
    return to_picture(base.decode(mean)) or fitted
