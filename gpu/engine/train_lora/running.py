"""From a spec to its checkpoints."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from gpu.engine import contract, judging, memory
from gpu.engine.catalogue import buckets, describe
from gpu.engine.contract import TrainLoraSpec
from gpu.engine.failures import bad_spec
from gpu.engine.lora import Mixer
from gpu.engine.memory import Plan, Profile
from gpu.engine.models import Base
from gpu.engine.report import Interrupted, Report
from gpu.engine.snapshots import fitted_before
from gpu.engine.train_lora.blocks import checkpointed
from gpu.engine.train_lora.checking import check
from gpu.engine.train_lora.loop import learn
from gpu.engine.train_lora.material import gather
from gpu.engine.train_lora.preflight import preflight
from gpu.engine.train_lora.session import Session, expect, fitted_spec, open_session

if TYPE_CHECKING:
    from gpu.engine.studio import Studio


def run(spec: TrainLoraSpec, studio: Studio, report: Report) -> None:
    """Runs or resumes a training. Writes `checkpoint-<step>/` and samples below `out_dir`, snapshots beside.

    Where memory runs out the next rung of the ladder takes over, from the last snapshot if it fits.
    Raises Interrupted when the worker asked for an end, Failure when it cannot go on.
    """
    check(spec, report)
    ladder = rungs(spec, studio.profile)
    studio.climb(ladder, lambda plan: train(spec, *studio.base(spec.base, "training", report), report), report)


def rungs(spec: TrainLoraSpec, profile: Profile) -> list[Plan]:
    """The plans to try, beginning with the one that an earlier attempt had come down to."""
    facts = describe(spec.base)
    width, height = max(buckets(spec.resolution, facts.stride), key=lambda size: size[0] * size[1])
    ladder = memory.plans(
        "training",
        facts,
        profile=profile,
        width=width,
        height=height,
        rank=spec.rank,
        batch=spec.batch,
        optimizer=spec.optimizer,
        learns_words=spec.method == "textual_inversion",
    )
    before = fitted_before(spec)
    if before is None:
        return ladder
    fits = [fitted_spec(spec, plan) for plan in ladder]
    same = (n for n, fit in enumerate(fits) if (fit.resolution, fit.rank) == (before.resolution, before.rank))
    return ladder[next(same, 0) :]


def train(spec: TrainLoraSpec, base: Base, mixer: Mixer, report: Report) -> None:
    """One attempt, on a base that is there, by the memory plan that it has adopted."""
    report.phase("preparing")
    if spec.resolution < base.stride:
        raise bad_spec(f"The resolution must be at least {base.stride} pixels for this base.")
    mixer.mix([])
    session = open_session(spec, base, mixer, report)
    expect(session)
    material = gather(session)
    try:
        with checkpointed(base.unet, base.plan.checkpointing), _encoders_present(session):
            if spec.preflight and session.state.step == 0:
                preflight(session, material)
            report.phase("training")
            learn(session, material)
    except Interrupted as interruption:
        if interruption.outcome == "stopped":  # what is kept is worth a judgement too
            judge(session)
        raise
    finally:
        session.learner.detach()
        mixer.mix([])
    judge(session)
    report.phase("finishing")
    report.progress(1.0, step=spec.steps, steps=spec.steps, eta=0.0)


@contextmanager
def _encoders_present(session: Session) -> Iterator[None]:
    """Gradients to a word go back through both text encoders: they must not leave between the two passes."""
    with ExitStack() as stack:
        for encoder in session.base.text_encoders if session.learns_words else ():
            stack.enter_context(session.base.present(encoder))
        yield


def judge(session: Session) -> None:
    """Has the checkpoints compared. Whatever becomes of that, what was learned is there."""
    report, spec = session.report, session.spec
    started = time.monotonic()
    session.learner.detach()
    try:
        judging.run(spec, session.base, session.mixer, session.state.checkpoints, spec.images, report)
    except Interrupted:
        raise
    except Exception:  # noqa: BLE001  a training is not lost for want of a verdict
        traceback.print_exc(file=sys.stderr)
        say = "The checkpoints could not be compared this time: look at their pictures, and choose."
        report.send(contract.Adapted(job=report.job, code="not_judged", say=say))
    session.estimate.did("judge", time.monotonic() - started)
