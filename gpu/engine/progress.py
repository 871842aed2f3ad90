"""How far a run is and how long it still takes: guesses that give way to measured rates."""

from __future__ import annotations

from dataclasses import dataclass

RECENT = 0.1  # weight of the newest measurement in a running mean


@dataclass
class _Work:
    total: int
    seconds_each: float
    measured: bool = False
    done: int = 0


class Estimate:
    """The kinds of work of a run, each counted in pieces of about equal length."""

    def __init__(self) -> None:
        self._work: dict[str, _Work] = {}

    def expect(self, kind: str, *, total: int, seconds_each: float) -> None:
        """Announces `total` pieces of work; `seconds_each` is a guess until the first is measured."""
        self._work[kind] = _Work(total=total, seconds_each=max(seconds_each, 1e-4))

    def skip(self, kind: str, count: int) -> None:
        """Counts pieces that an earlier attempt has done."""
        work = self._work[kind]
        work.done = min(work.total, work.done + count)

    def did(self, kind: str, seconds: float, *, count: int = 1) -> None:
        work = self._work[kind]
        each = max(seconds / count, 1e-4)
        # the first measurement replaces the guess; later ones move it slowly, so that the time left does not jump
        work.seconds_each = each if not work.measured else (1 - RECENT) * work.seconds_each + RECENT * each
        work.measured = True
        work.done = min(work.total, work.done + count)

    @property
    def eta(self) -> float:
        """Seconds of work left."""
        return sum((work.total - work.done) * work.seconds_each for work in self._work.values())

    @property
    def fraction(self) -> float:
        """Share of the work that is done, 0..1, at today's rates."""
        done = sum(work.done * work.seconds_each for work in self._work.values())
        whole = done + self.eta
        return done / whole if whole else 1.0
