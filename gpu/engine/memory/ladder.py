"""Out of memory is not the end of a job: it is tried again with less."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

from gpu.engine import contract
from gpu.engine.failures import Failure, from_exception
from gpu.engine.memory.plan import Plan
from gpu.engine.report import Report

T = TypeVar("T")

SLOWER = "The memory of the machine ran out. It is done again in smaller pieces, which takes longer."


def climb(plans: Sequence[Plan], attempt: Callable[[Plan], T], report: Report) -> T:
    """The result of the first plan that memory suffices for. Raises the last Failure where no rung is left.

    Tells the artist what a rung changes, and staff what it should take. An attempt that is tried again must write over
    what it has written before.
    """
    failure: Failure | None = None
    for number, plan in enumerate(plans):
        if plan.say or number:
            report.send(contract.Adapted(job=report.job, code=plan.code or "smaller_pieces", say=plan.say or SLOWER))
        report.send(contract.Planned(job=report.job, profile=plan.profile, predicted_bytes=plan.predicted))
        try:
            return attempt(plan)
        except Exception as error:
            failure = from_exception(error)
            if failure.code != "out_of_memory":
                raise
            traceback.clear_frames(error.__traceback__)  # whose variables hold what has to be freed
        free()
        report.check()
    assert failure is not None, "a ladder has rungs"
    raise failure


def free() -> None:
    """Gives back everything that nobody holds any more."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
