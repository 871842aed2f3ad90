"""What happens when numbers go astray: back to the last good state once, an end in words the second time."""

from __future__ import annotations

import math

from gpu.engine import contract
from gpu.engine.failures import Failure
from gpu.engine.snapshots import load_snapshot
from gpu.engine.train_lora.session import Session

SPIKE = 10.0  # times the running mean of the loss; single steps of a healthy run stay below five
SETTLED = 10  # steps after which the running mean says something
SLOWER = 0.5  # of the learning rate


def astray(step: int, loss: float, gradient: float, mean: float) -> bool:
    """Whether a step's loss or gradient is no number, or the loss far beyond what the run is used to.

    A loss below 1 is never a spike: that of a base that predicts nothing at all, whose target has variance 1.
    """
    if not (math.isfinite(loss) and math.isfinite(gradient)):
        return True
    return step > SETTLED and loss > max(1.0, SPIKE * mean)


def recover(session: Session, *, loss: float, gradient: float) -> None:
    """Goes back to the last snapshot with half the learning rate. Raises Failure `nan_loss` the second time."""
    failed = session.state.step + 1
    restored = None
    if session.state.rate == 1.0:
        restored = load_snapshot(session.asked, session.learner, session.optimizer)
    if restored is None:
        raise Failure(
            "nan_loss",
            "The training became unstable and was stopped. Try a lower learning rate or fewer steps.",
            detail=f"step {failed}: loss {loss}, gradient {gradient}, learning rate × {session.state.rate:g}",
            retryable=False,
        )
    restored.rate = SLOWER
    session.state = restored
    session.optimizer.zero_grad(set_to_none=True)
    session.snapshot()
    say = (
        f"The training became unstable at step {failed}."
        f" It went back to step {restored.step} and goes on at half the learning rate."
    )
    session.report.send(contract.Adapted(job=session.report.job, code="unstable", say=say))
