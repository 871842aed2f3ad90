"""A job's money when the process dies: killed before each statement of a settlement, and before and after its commit.

Whatever the moment, either nothing has happened or everything has; and when another process takes over, the hold is
resolved exactly once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.audit import audit
from billing.models import CreditHold, CreditTransaction, Entitlement
from gpu import kinds, lifecycle
from gpu.engine import contract
from gpu.models import Job, JobEvent, Worker
from styles.models import Adapter, Style
from tests.fakes import probe
from tests.fakes.dying import killed
from tests.generation.making import ask, deliver
from tests.gpu.conftest import make_artist, make_worker, submit
from tests.training.ready import checkpoint_event, make_ready_style
from training.actions import start_run

pytestmark = pytest.mark.django_db(transaction=True)

CREDITS, PRICE = 1000, 5
State = Job.State
RESOLVING = (CreditTransaction.Kind.CAPTURE, CreditTransaction.Kind.RELEASE)


@pytest.fixture(autouse=True)
def _at_work(monkeypatch: pytest.MonkeyPatch, settings: LazySettings, tmp_path: Path) -> None:
    settings.BILLING = True
    settings.STATE_DIR = tmp_path
    monkeypatch.setattr(kinds, "_kinds", dict(kinds._kinds))
    probe.register()


def claimed() -> Job:
    job = lifecycle.claim(worker=Worker.objects.first() or make_worker())
    assert job is not None
    return job


def succeed(job: Job) -> bool:
    done = contract.Done(job=str(job.public_id), outcome="finished", seconds=1.0)
    return lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done)


def fail(job: Job) -> bool:
    return lifecycle.fail(job_id=job.pk, fence=job.fence, code="c", say="s")


def let_go(job: Job) -> bool:
    return lifecycle.cancelled(job_id=job.pk, fence=job.fence)


def cancel_in_the_line(job: Job) -> bool:
    return lifecycle.request_cancel(job_id=job.pk)


def sweep(job: Job) -> bool:
    return bool(lifecycle.requeue_lost())


def nothing(job: Job) -> None:
    pass


def lease_over(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))


def lost_twice(job: Job) -> None:
    lease_over(job)
    Job.objects.filter(pk=job.pk).update(attempts=lifecycle.MAX_ATTEMPTS - 1, lost=lifecycle.MAX_ATTEMPTS - 1)


def cancel_wished(job: Job) -> None:
    lifecycle.request_cancel(job_id=job.pk)


@dataclass(frozen=True)
class Ending:
    """How a job comes to its end: what was before, the settlement that is killed, and what a later worker does."""

    settle: Callable[[Job], object]
    end: Job.State
    paid: int
    before: Callable[[Job], object] = nothing
    runs: bool = True
    again: Callable[[Job], object] = succeed


ENDINGS = {
    "succeeded": Ending(succeed, State.SUCCEEDED, probe.CREDITS_DELIVERED),
    "failed": Ending(fail, State.FAILED, 0, again=fail),
    "cancelled while it ran": Ending(let_go, State.CANCELLED, 0, before=cancel_wished),
    "cancelled in the line": Ending(cancel_in_the_line, State.CANCELLED, 0, runs=False, again=let_go),
    "lost and resumed": Ending(sweep, State.SUCCEEDED, probe.CREDITS_DELIVERED, before=lease_over),
    "lost for good": Ending(sweep, State.FAILED, 0, before=lost_twice),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_settlement_that_is_killed_anywhere_happens_once(name: str) -> None:
    ending, artist = ENDINGS[name], make_artist(CREDITS)
    moments = 0
    for before in count(1):
        job = submit(artist, price=PRICE)
        if ending.runs:
            job = claimed()
        ending.before(job)
        job.refresh_from_db()
        came_so_far = killed(lambda job=job: ending.settle(job), before=before)  # type: ignore[misc]
        _all_or_nothing(job)
        _take_over(job, ending)
        _settled_once(job, ending.end, ending.paid)
        if not came_so_far:
            break
        moments += 1
    assert moments > 5  # statements, the commit, and after it
    account = ledger.account_of(artist)
    assert (account.available, account.held) == (CREDITS - ending.paid * (moments + 1), 0)
    assert (audit(mend=False).drifts, audit(mend=False).orphans) == ([], [])


def _all_or_nothing(job: Job) -> None:
    """What the dead one left behind: the job ended and its hold is resolved, or neither."""
    before, fence = job.state, job.fence
    job.refresh_from_db()
    hold = CreditHold.objects.get(pk=job.hold_id)
    assert job.ended == (hold.resolved_at is not None)
    assert CreditTransaction.objects.filter(hold=hold, kind__in=RESOLVING).exists() == job.ended
    assert ledger.account_of(job.owner).held == (0 if job.ended else hold.amount)
    if not job.ended:
        assert (job.state, job.fence) in ((before, fence), (State.QUEUED, fence))


def _take_over(job: Job, ending: Ending) -> None:
    """Another process finds it: the sweep gives up the lost run, a worker claims it and brings it to its end."""
    if job.state == State.RUNNING:
        lease_over(job)
        assert lifecycle.requeue_lost() == 1
    job.refresh_from_db()
    if job.state == State.QUEUED and job.cancel_at is None and ending.again is let_go:
        lifecycle.request_cancel(job_id=job.pk)  # the person asks once more
    elif job.state == State.QUEUED:
        ending.again(claimed())


def _settled_once(job: Job, end: Job.State, paid: int) -> None:
    late = job.fence
    job.refresh_from_db()
    assert job.state == end
    for verb in (succeed, fail, let_go):  # the dead one comes back from the grave, and everybody else speaks twice
        for fence in (late, job.fence):
            assert not verb(Job(pk=job.pk, public_id=job.public_id, fence=fence))
    hold = CreditHold.objects.get(pk=job.hold_id)
    assert (hold.captured, hold.released) == (paid, hold.amount - paid)
    assert CreditTransaction.objects.filter(hold=hold, kind__in=RESOLVING).count() == 1
    assert JobEvent.objects.filter(job=job, to_state__in=(State.SUCCEEDED, State.FAILED, State.CANCELLED)).count() == 1


# --- the real kinds, with all that they write beside the money ------------------------------------------------


def _training(artist: User, folder: Path) -> Callable[[], Job]:
    style = make_ready_style(artist)

    def begin() -> Job:
        run = start_run(owner=artist, style=Style.objects.get(pk=style.pk), purpose="style", quality="quick")
        job = claimed()
        assert job == run.job
        event = checkpoint_event(job, folder, ordinal=1, step=100)
        assert lifecycle.deliver(job_id=job.pk, fence=job.fence, event=event)
        return job

    return begin


def _picture(artist: User, folder: Path) -> Callable[[], Job]:
    def begin() -> Job:
        ask(artist)
        job = claimed()
        deliver(job, folder)
        return job

    return begin


def _again_with_its_file(job: Job, folder: Path) -> None:
    if job.kind == "text_to_image":
        deliver(job, folder)
    succeed(job)


@pytest.mark.parametrize(("kind", "paid"), [(_training, 10), (_picture, 1)])
def test_real_work_that_is_killed_anywhere_while_it_is_paid_is_paid_once(
    kind: Callable[[User, Path], Callable[[], Job]], paid: int, tmp_path: Path
) -> None:
    artist = make_artist(CREDITS)
    Entitlement.objects.create(user=artist, plan="enterprise")  # so many runs a minute
    begin = kind(artist, tmp_path)
    ending = Ending(succeed, State.SUCCEEDED, paid, again=lambda job: _again_with_its_file(job, tmp_path))
    for before in count(1):
        job = begin()
        came_so_far = killed(lambda job=job: succeed(job), before=before)  # type: ignore[misc]
        _all_or_nothing(job)
        _take_over(job, ending)
        _settled_once(job, State.SUCCEEDED, paid)
        if not came_so_far:
            break
    assert before > 20
    account = ledger.account_of(artist)
    assert (account.available, account.held) == (CREDITS - paid * before, 0)
    assert (audit(mend=False).drifts, audit(mend=False).orphans) == ([], [])
    if kind is _training:
        assert Adapter.objects.filter(style__owner=artist, state=Adapter.State.READY).count() == before


# --- and where a fault left something behind ------------------------------------------------------------------


def test_a_hold_is_timed_out_only_when_its_job_is_over() -> None:
    artist = make_artist(CREDITS)
    runs, waits, broken = (submit(artist, price=PRICE) for _ in range(3))
    Job.objects.filter(pk=broken.pk).update(state=State.FAILED)  # as no verb would leave it
    assert claimed() == runs
    assert [hold.job for hold in audit(mend=False).orphans] == [broken.public_id]
    assert ledger.time_out_holds(before=timezone.now()) == 1
    assert ledger.account_of(artist).held == 2 * PRICE
    succeed(Job.objects.get(pk=runs.pk))
    lifecycle.request_cancel(job_id=waits.pk)
    assert (ledger.account_of(artist).held, audit(mend=False).orphans) == (0, [])
