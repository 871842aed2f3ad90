"""One row of the benchmark: a figure of ours beside its baseline's, from the same run, and what it is held to."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Aim = Literal["at least", "at most"]


@dataclass(frozen=True)
class Target:
    """What is promised: of `of` ("ratio" or "ours"), `aim` so much."""

    aim: Aim
    value: float
    of: Literal["ratio", "ours"] = "ratio"

    def met(self, *, ours: float, ratio: float | None) -> bool | None:
        figure = ratio if self.of == "ratio" else ours
        if figure is None:
            return None
        return figure >= self.value if self.aim == "at least" else figure <= self.value

    def __str__(self) -> str:
        sign = {"at least": "≥", "at most": "≤"}[self.aim]
        return f"{sign} {self.value:g}{' ×' if self.of == 'ratio' else ''}"


@dataclass(frozen=True)
class Row:
    """`ratio` is above 1 where ours is better. `ours` None: not measured, and `note` says why."""

    name: str
    say: str  # ours against what
    unit: str
    target: Target | None
    ours: float | None = None
    baseline: float | None = None
    ratio: float | None = None
    runs: int = 1
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """None where there was nothing to measure, or nothing is promised."""
        if self.ours is None or self.target is None:
            return None
        return self.target.met(ours=self.ours, ratio=self.ratio)

    def as_json(self) -> dict[str, Any]:
        facts = asdict(self)
        facts["target"] = str(self.target) if self.target else ""
        return {**facts, "holds": self.holds}


def faster(
    name: str, say: str, *, ours: list[float], baseline: list[float], target: Target | None, note: str = ""
) -> Row:
    """Two series of seconds: medians in milliseconds, and how many times faster ours is."""
    own, other = statistics.median(ours), statistics.median(baseline)
    return Row(
        name=name,
        say=say,
        unit="ms",
        target=target,
        ours=round(own * 1000, 3),
        baseline=round(other * 1000, 3),
        ratio=round(other / own, 3),
        runs=len(ours),
        note=note,
    )


def alternate(
    ours: Callable[[], object],
    baseline: Callable[[], object],
    *,
    runs: int,
    settle: Callable[[], object] = lambda: None,
) -> tuple[list[float], list[float]]:
    """Seconds of each, taken in turns after one unmeasured call, so that what else the machine does hits both alike.

    `settle` waits until a device has done what it was given.
    """
    series: tuple[list[float], list[float]] = ([], [])
    for turn in range(runs + 1):
        for kept, work in zip(series, (ours, baseline), strict=True):
            settle()
            began = time.perf_counter()
            work()
            settle()
            if turn:
                kept.append(time.perf_counter() - began)
    return series
