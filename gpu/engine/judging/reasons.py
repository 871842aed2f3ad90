"""The pick in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpu.engine.judging.pick import Measured

NOT_JUDGED = "The pictures could not be compared here, so the last checkpoint was taken. Choose by eye."

LEAKS = 0.5  # where the memorisation guard would speak, see pick.leak_of
STRONG, WEAK = 0.7, 0.35  # from which on a likeness has earned its words


def of_one(one: Measured, all_of_them: Sequence[Measured]) -> str:
    """What one checkpoint is good at and what it is not."""
    parts = [_likeness(one, all_of_them), _following(one)]
    if one.leak >= LEAKS:
        parts.append(f"but it begins to repeat work {one.work}")
    elif one.leak > LEAKS / 2:
        parts.append(f"and comes a little near to work {one.work}")
    return f"{parts[0]}, {', '.join(parts[1:])}."


def _likeness(one: Measured, all_of_them: Sequence[Measured]) -> str:
    closest = max(all_of_them, key=lambda other: other.likeness)
    if one is closest and len(all_of_them) > 1:
        return "Closest to your works"
    if one.likeness >= STRONG:
        return "Close to your works"
    return "Has taken some of your hand" if one.likeness >= WEAK else "Still far from your works"


def _following(one: Measured) -> str:
    if one.shown == one.of:
        return "draws what it is told"
    if one.shown == 0:
        return "no longer draws what it is told"
    return f"shows what it was told in {one.shown} of {one.of} pictures"


def of_pick(ranked: Sequence[Measured]) -> str:
    """Why the first, and what speaks against the runner-up."""
    best = ranked[0]
    if len(ranked) == 1:
        return f"Step {best.step:,} is the only one: {of_one(best, ranked)[0].lower()}{of_one(best, ranked)[1:]}"
    return " ".join([_why(best, ranked), *_why_not(best, ranked[1:])])


def _why(best: Measured, ranked: Sequence[Measured]) -> str:
    closest = max(ranked, key=lambda one: one.likeness)
    if best is closest:
        if best.shown == best.of:
            return f"Step {best.step:,} is closest to your works and still draws what it is told."
        return f"Step {best.step:,} is closest to your works."
    return f"Step {best.step:,} is the best balance between your hand and what it is told to draw."


def _why_not(best: Measured, others: Sequence[Measured]) -> list[str]:
    """The clearest reason against a rival: a leak first, then lost words, then distance."""
    leaking = [one for one in others if one.leak >= LEAKS]
    if leaking:
        one = min(leaking, key=lambda one: one.step)
        return [f"Step {one.step:,} begins to repeat work {one.work}."]
    closer = [one for one in others if one.likeness > best.likeness and one.shown < best.shown]
    if closer:
        one = max(closer, key=lambda one: one.likeness)
        return [f"Step {one.step:,} is closer still, but follows the words less."]
    farther = [one for one in others if one.step < best.step and one.likeness < best.likeness]
    if farther:
        one = max(farther, key=lambda one: one.step)
        return [f"Step {one.step:,} has less of your hand."]
    return []
