"""Many at once, on PostgreSQL: a job is claimed once, a hold is settled once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from accounts.models import User
from billing.models import CreditHold
from gpu import lifecycle
from gpu.models import Job, JobEvent
from tests.fakes import probe
from tests.gpu.conftest import make_artist, make_worker, purse, submit, until
from tests.gpu.test_moves import claimed, done

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8
Answer = TypeVar("Answer")


@pytest.fixture
def artist(transactional_db: None) -> User:
    return make_artist()


def at_once(call: Callable[[int], Answer], count: int = THREADS) -> list[Answer]:
    """Call it from so many threads at the same moment."""
    start = threading.Barrier(count)

    def run(number: int) -> Answer:
        try:
            connection.ensure_connection()
            start.wait()
            return call(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_each_job_is_claimed_by_one_worker(artist: User) -> None:
    jobs = [submit(artist, price=0) for _ in range(24)]
    workers = [make_worker() for _ in range(THREADS)]

    def claim_all(number: int) -> list[int]:
        mine = []
        while job := lifecycle.claim(worker=workers[number]):
            mine.append(job.pk)
        return mine

    claims = Counter(pk for mine in at_once(claim_all) for pk in mine)

    assert claims == {job.pk: 1 for job in jobs}
    assert set(Job.objects.values_list("fence", flat=True)) == {1}
    assert JobEvent.objects.filter(to_state=Job.State.RUNNING).count() == len(jobs)


def test_a_locked_job_holds_nobody_up(artist: User) -> None:
    first, second = submit(artist), submit(artist)
    worker = make_worker()

    def claim_while_locked(_: int) -> Job | None:
        return lifecycle.claim(worker=worker)

    with transaction.atomic():
        Job.objects.select_for_update().get(pk=first.pk)
        assert at_once(claim_while_locked, 1) == [second]


@pytest.mark.parametrize("ending", ["the same", "all different"])
def test_of_many_endings_one_counts(ending: str, artist: User) -> None:
    job = claimed(submit(artist, price=5))
    endings: list[Callable[[], bool]] = [
        lambda: lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done()),
        lambda: lifecycle.fail(job_id=job.pk, fence=job.fence, code="c", say="s"),
        lambda: lifecycle.cancelled(job_id=job.pk, fence=job.fence),
        lambda: lifecycle.fail(job_id=job.pk, fence=job.fence, code="c", say="s"),
    ]

    made = at_once(lambda number: endings[0 if ending == "the same" else number % len(endings)]())

    assert sum(made) == 1
    hold = CreditHold.objects.get()
    assert hold.captured + hold.released == hold.amount == 5
    assert purse(artist) == (100 - hold.captured, 0)
    assert JobEvent.objects.filter(from_state=Job.State.RUNNING).count() == 1


def test_cancelling_and_claiming_at_once_leaves_no_job_between(artist: User) -> None:
    jobs = [submit(artist, price=1) for _ in range(12)]
    worker = make_worker()

    def act(number: int) -> None:
        if number % 2:
            for job in jobs:
                lifecycle.request_cancel(job_id=job.pk)
        else:
            while lifecycle.claim(worker=worker):
                pass

    at_once(act, 4)

    for job in Job.objects.all():
        cancelled_in_the_line = job.state == Job.State.CANCELLED and job.claimed_at is None
        wished_while_running = job.state == Job.State.RUNNING and job.cancel_at is not None
        assert cancelled_in_the_line or wished_while_running


def test_many_sweeps_count_a_lost_run_once(artist: User) -> None:
    job = claimed(submit(artist))
    Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))

    assert sum(at_once(lambda _: lifecycle.requeue_lost())) == 1

    job.refresh_from_db()
    assert (job.lost, job.attempts) == (1, 1)


def test_a_sweep_passes_by_a_run_that_is_just_being_written(artist: User) -> None:
    job = claimed(submit(artist))
    Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))

    with transaction.atomic():
        Job.objects.select_for_update().get(pk=job.pk)
        assert at_once(lambda _: lifecycle.requeue_lost(), 1) == [0]


def test_an_event_and_the_end_of_a_claim_do_not_cross(artist: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery that has begun is finished before the job can be given to another worker."""
    job = claimed(submit(artist))
    began, go_on = threading.Event(), threading.Event()
    keep = probe._on_event

    def slow(job: Job, event: object) -> None:
        began.set()
        go_on.wait(5)
        keep(job, event)  # type: ignore[arg-type]

    monkeypatch.setattr(probe, "_on_event", slow)
    probe.register()

    def act(number: int) -> bool:
        if number:
            began.wait(5)
            threading.Timer(0.2, go_on.set).start()
            return lifecycle.requeue(job_id=job.pk)
        event = lifecycle.working.contract.Metric(job="1", step=1, loss=1)
        return lifecycle.deliver(job_id=job.pk, fence=job.fence, event=event)

    assert at_once(act, 2) == [True, True]
    assert probe.heard_of(job.subject) == ["event metric 1", "requeue"]


def test_submitting_rings_and_a_silent_bell_loses_nothing(artist: User, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[str] = []

    def send_task(name: str, **_: object) -> None:
        rung.append(name)
        raise ConnectionError("there is no Redis")

    monkeypatch.setattr("config.kit.doorbell.current_app.send_task", send_task)

    job = submit(artist)

    until(lambda: rung == ["gpu.worker.work"])
    assert lifecycle.claim(worker=make_worker()) == job
