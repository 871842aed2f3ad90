"""Every verb of the lifecycle on a job in every state: what it does, that it says so, and what it costs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.db.models.functions import Now

from accounts.models import User
from billing.ledger import InsufficientCredits
from billing.models import CreditHold
from gpu import kinds, lifecycle
from gpu.engine import contract
from gpu.lifecycle import MAX_ATTEMPTS, MOVES
from gpu.models import Job, JobEvent, Worker
from tests.fakes import probe
from tests.gpu.conftest import make_worker, purse, state_of, submit

pytestmark = pytest.mark.django_db

State = Job.State
PRICE = 5


def done(outcome: contract.Outcome = "finished") -> contract.Done:
    return contract.Done(job="1", outcome=outcome, seconds=1.0, peak_bytes=7)


def claimed(job: Job) -> Job:
    taken = lifecycle.claim(worker=Worker.objects.first() or make_worker())
    assert taken == job
    return taken


def in_state(state: Job.State, owner: User) -> Job:
    """A job that came into this state by the verbs."""
    job = submit(owner, price=PRICE)
    if state != State.QUEUED:
        job = claimed(job)
    if state == State.SUCCEEDED:
        lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done())
    elif state == State.FAILED:
        lifecycle.fail(job_id=job.pk, fence=job.fence, code="c", say="s")
    elif state == State.CANCELLED:
        lifecycle.request_cancel(job_id=job.pk)
        lifecycle.cancelled(job_id=job.pk, fence=job.fence)
    job.refresh_from_db()
    assert job.state == state
    return job


def _late(job: Job) -> bool:
    Job.objects.filter(pk=job.pk, state=State.RUNNING).update(lease_until=Now() - timedelta(seconds=1))
    return bool(lifecycle.requeue_lost())


def _abandoned(job: Job) -> bool:
    seat = Worker.objects.values_list("seat", flat=True).first() or uuid.uuid4()
    return bool(lifecycle.requeue_abandoned(worker=make_worker(seat=seat)))


VERBS: dict[str, Callable[[Job], bool]] = {
    "claim": lambda job: lifecycle.claim(worker=make_worker()) is not None,
    "succeed": lambda job: lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done()),
    "stop_and_keep": lambda job: lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done("stopped")),
    "fail": lambda job: lifecycle.fail(job_id=job.pk, fence=job.fence, code="c", say="s"),
    "fail_for_now": lambda job: lifecycle.fail(job_id=job.pk, fence=job.fence, code="c", say="s", retryable=True),
    "lose": lambda job: lifecycle.lose(job_id=job.pk, fence=job.fence, detail="d"),
    "cancelled": lambda job: lifecycle.cancelled(job_id=job.pk, fence=job.fence),
    "give_back": lambda job: lifecycle.give_back(job_id=job.pk, fence=job.fence),
    "request_stop": lambda job: lifecycle.request_stop(job_id=job.pk),
    "request_cancel": lambda job: lifecycle.request_cancel(job_id=job.pk),
    "requeue": lambda job: lifecycle.requeue(job_id=job.pk),
    "requeue_lost": _late,
    "requeue_abandoned": _abandoned,
}

# verb → state before → state after, where the verb does something at all
EFFECTS: dict[tuple[str, Job.State], Job.State] = {
    ("claim", State.QUEUED): State.RUNNING,
    ("succeed", State.RUNNING): State.SUCCEEDED,
    ("stop_and_keep", State.RUNNING): State.SUCCEEDED,
    ("fail", State.RUNNING): State.FAILED,
    ("fail_for_now", State.RUNNING): State.QUEUED,
    ("lose", State.RUNNING): State.QUEUED,
    ("cancelled", State.RUNNING): State.CANCELLED,
    ("give_back", State.RUNNING): State.QUEUED,
    ("request_stop", State.QUEUED): State.CANCELLED,
    ("request_stop", State.RUNNING): State.RUNNING,
    ("request_cancel", State.QUEUED): State.CANCELLED,
    ("request_cancel", State.RUNNING): State.RUNNING,
    ("requeue", State.RUNNING): State.QUEUED,
    ("requeue_lost", State.RUNNING): State.QUEUED,
    ("requeue_abandoned", State.RUNNING): State.QUEUED,
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_makes_its_move_and_no_other_and_only_once(verb: str, state: Job.State, artist: User) -> None:
    job = in_state(state, artist)
    expected = EFFECTS.get((verb, state))
    events = JobEvent.objects.count()

    acted = VERBS[verb](job)

    job.refresh_from_db()
    assert acted == (expected is not None)
    assert job.state == (expected or state)
    moved = expected is not None and expected != state
    assert JobEvent.objects.count() == events + moved
    if moved:
        last = job.events.last()
        assert last is not None
        assert (last.from_state, last.to_state, last.fence) == (state, expected, job.fence)
    _assert_row_and_purse_agree(job)

    assert not VERBS[verb](job), "the same call again"

    assert state_of(job) == job.state
    assert JobEvent.objects.count() == events + moved
    _assert_row_and_purse_agree(job)


def _assert_row_and_purse_agree(job: Job) -> None:
    assert (job.lease_until is not None) == (job.state == State.RUNNING)
    assert (job.finished_at is not None) == job.ended
    assert (job.progress == 1) == (job.state == State.SUCCEEDED)
    hold = CreditHold.objects.get(job=job.public_id)
    if not job.ended:
        assert purse(job.owner) == (100 - PRICE, PRICE)
        assert hold.resolved_at is None
    elif job.state == State.SUCCEEDED:
        assert purse(job.owner) == (100 - probe.CREDITS_DELIVERED, 0)
        assert (hold.captured, hold.released) == (probe.CREDITS_DELIVERED, PRICE - probe.CREDITS_DELIVERED)
    else:
        assert purse(job.owner) == (100, 0)
        assert (hold.captured, hold.released) == (0, PRICE)


def test_the_table_lets_nothing_leave_an_end() -> None:
    assert set(MOVES) == set(State)
    assert [state for state in State if not MOVES[state]] == [State.SUCCEEDED, State.FAILED, State.CANCELLED]
    assert all(state not in MOVES[state] for state in State)


WORKER_VERBS = ["succeed", "stop_and_keep", "fail", "fail_for_now", "lose", "cancelled", "give_back"]


@pytest.mark.parametrize("verb", WORKER_VERBS)
def test_a_worker_that_was_given_up_changes_nothing_any_more(verb: str, artist: User) -> None:
    old = claimed(submit(artist, price=PRICE))
    assert _late(old)
    new = claimed(Job.objects.get(pk=old.pk))
    assert new.fence == old.fence + 1

    assert not VERBS[verb](old)
    assert not lifecycle.report(job_id=old.pk, fence=old.fence, fraction=0.5)
    assert not lifecycle.deliver(job_id=old.pk, fence=old.fence, event=contract.Metric(job="1", step=1, loss=1))
    assert lifecycle.heartbeat(job_id=old.pk, fence=old.fence).lost
    assert lifecycle.signals(job_id=old.pk, fence=old.fence).lost

    new.refresh_from_db()
    assert (new.state, new.progress) == (State.RUNNING, 0)
    assert "event metric 1" not in probe.heard_of(new.subject)
    assert lifecycle.succeed(job_id=new.pk, fence=new.fence, done=done())


@pytest.mark.parametrize("verb", WORKER_VERBS)
def test_a_worker_that_was_given_up_cannot_end_what_waits_again(verb: str, artist: User) -> None:
    job = claimed(submit(artist, price=PRICE))
    assert _late(job)

    assert not VERBS[verb](job)

    job.refresh_from_db()
    assert job.state == State.QUEUED


# --- asking ---


def test_submitting_holds_the_price_and_names_it_in_the_ledger(artist: User) -> None:
    job = submit(artist, price=PRICE)

    assert job.hold is not None
    assert (job.hold.amount, job.hold.say, job.hold.job) == (PRICE, "A probe", job.public_id)
    assert [(event.from_state, event.to_state) for event in job.events.all()] == [("", State.QUEUED)]


def test_work_that_is_asked_for_together_waits_in_its_order_with_a_hold_each(
    artist: User, django_assert_max_num_queries: Any
) -> None:
    subjects = [uuid.uuid4() for _ in range(8)]
    with django_assert_max_num_queries(20):
        jobs = lifecycle.submit_many(owner=artist, kind=probe.SHORT, subjects=subjects, price=1, say="Pictures")
    assert [job.subject for job in jobs] == subjects
    assert [lifecycle.position(job) for job in jobs] == list(range(1, 9))
    assert len({job.hold_id for job in jobs}) == 8
    assert all(job.hold and (job.hold.amount, job.hold.job) == (1, job.public_id) for job in jobs)
    assert all(job.events.count() == 1 for job in jobs)
    assert purse(artist)[1] == 8


def test_work_asked_for_together_is_refused_as_a_whole(artist: User, settings: LazySettings) -> None:
    settings.BILLING = True
    there, _ = purse(artist)
    with pytest.raises(InsufficientCredits, match=f"costs {there + 1} credits"):
        lifecycle.submit_many(
            owner=artist, kind=probe.SHORT, subjects=[uuid.uuid4() for _ in range(there + 1)], price=1, say="Pictures"
        )
    assert not Job.objects.exists()
    assert purse(artist) == (there, 0)


def test_what_costs_nothing_holds_nothing(artist: User) -> None:
    job = claimed(submit(artist, price=0))

    assert lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done())
    assert not CreditHold.objects.exists()


def test_without_credits_there_is_neither_job_nor_hold(artist: User, settings: LazySettings) -> None:
    settings.BILLING = True

    with pytest.raises(InsufficientCredits):
        submit(artist, price=101)

    assert not Job.objects.exists()
    assert not CreditHold.objects.exists()


def test_a_kind_that_nobody_registered_is_refused(artist: User) -> None:
    with pytest.raises(KeyError):
        submit(artist, kind="juggling")

    assert not Job.objects.exists()


def test_a_job_may_bring_its_own_public_id_and_be_named_by_it(artist: User, nobody: uuid.UUID) -> None:
    job = lifecycle.submit(owner=artist, kind=probe.SHORT, subject=nobody, price=0, say="A probe", job_id=nobody)

    assert job.public_id == nobody
    assert lifecycle.request_cancel(job_id=nobody)


def test_stopping_what_began_before_waits_for_its_worker(artist: User) -> None:
    job = claimed(submit(artist, kind=probe.LONG))
    lifecycle.give_back(job_id=job.pk, fence=job.fence)

    assert lifecycle.request_stop(job_id=job.pk)

    job = claimed(job)
    assert lifecycle.signals(job_id=job.pk, fence=job.fence).stop


def test_wishes_reach_the_worker(artist: User) -> None:
    job = claimed(submit(artist))
    assert lifecycle.signals(job_id=job.pk, fence=job.fence) == lifecycle.Signals()

    lifecycle.request_stop(job_id=job.pk)
    lifecycle.request_cancel(job_id=job.pk)

    assert lifecycle.heartbeat(job_id=job.pk, fence=job.fence) == lifecycle.Signals(stop=True, cancel=True)


@pytest.mark.parametrize("verb", ["succeed", "fail", "fail_for_now", "lose", "give_back", "requeue_lost"])
def test_what_was_cancelled_ends_as_cancelled_whatever_its_worker_brings(verb: str, artist: User) -> None:
    job = claimed(submit(artist, price=PRICE))
    lifecycle.request_cancel(job_id=job.pk)

    assert VERBS[verb](job)

    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert purse(artist) == (100, 0)


# --- leases and tries ---


def test_a_lease_is_thirty_seconds_of_the_database_s_clock_and_a_heartbeat_renews_it(artist: User) -> None:
    job = claimed(submit(artist))
    Job.objects.filter(pk=job.pk).update(lease_until=Now() + timedelta(seconds=1))

    lifecycle.heartbeat(job_id=job.pk, fence=job.fence)

    with connection.cursor() as cursor:
        cursor.execute("select extract(epoch from lease_until - now()) from gpu_job where id = %s", [job.pk])
        assert cursor.fetchone()[0] == pytest.approx(30, abs=1)


def test_a_living_run_is_not_given_up(artist: User) -> None:
    job = claimed(submit(artist))

    assert lifecycle.requeue_lost() == 0
    job.refresh_from_db()
    assert job.state == State.RUNNING


def test_a_seat_s_new_worker_gives_up_only_its_predecessors(artist: User) -> None:
    elsewhere = claimed(submit(artist))
    here = make_worker()

    assert lifecycle.requeue_abandoned(worker=here) == 0

    elsewhere.refresh_from_db()
    assert elsewhere.state == State.RUNNING


@pytest.mark.parametrize("verb", ["lose", "requeue_lost", "fail_for_now"])
def test_three_bad_tries_end_a_job_and_release_its_credits(verb: str, artist: User) -> None:
    job = submit(artist, price=PRICE)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        Job.objects.filter(pk=job.pk).update(not_before=None)
        job = claimed(job)
        assert VERBS[verb](job)
        job.refresh_from_db()
        assert job.attempts == attempt

    lost = verb != "fail_for_now"
    assert (job.state, job.lost) == (State.FAILED, MAX_ATTEMPTS if lost else 0)
    assert job.error_code == ("worker_lost" if lost else "c")
    assert job.error_say
    assert probe.heard_of(job.subject) == ["requeue", "requeue", "end"]
    assert purse(artist) == (100, 0)


def test_giving_back_is_no_try(artist: User) -> None:
    job = submit(artist)
    for _ in range(MAX_ATTEMPTS + 1):
        job = claimed(job)
        assert lifecycle.give_back(job_id=job.pk, fence=job.fence)

    job.refresh_from_db()
    assert (job.state, job.attempts, job.fence) == (State.QUEUED, 0, MAX_ATTEMPTS + 1)


def test_after_an_error_it_waits_before_the_next_try_and_staff_may_end_the_wait(artist: User) -> None:
    job = claimed(submit(artist))
    lifecycle.fail(job_id=job.pk, fence=job.fence, code="c", say="s", retryable=True)
    assert lifecycle.claim(worker=make_worker()) is None

    assert lifecycle.requeue(job_id=job.pk)

    assert lifecycle.claim(worker=make_worker()) == job


def test_a_lost_run_may_start_again_at_once(artist: User) -> None:
    job = claimed(submit(artist))
    lifecycle.lose(job_id=job.pk, fence=job.fence, detail="it crashed")

    assert claimed(job).error_code == ""


def test_a_claim_starts_the_clock_once_and_counts_fences(artist: User) -> None:
    first = claimed(submit(artist))
    lifecycle.give_back(job_id=first.pk, fence=first.fence)
    second = claimed(first)

    assert second.started_at == first.started_at
    assert (first.fence, second.fence) == (1, 2)
    assert second.worker is not None


def test_a_kind_that_this_worker_does_not_know_is_left_to_others(artist: User, monkeypatch: pytest.MonkeyPatch) -> None:
    newer, job = submit(artist, kind=probe.LONG), submit(artist)
    monkeypatch.delitem(kinds._kinds, probe.LONG)

    assert lifecycle.claim(worker=make_worker()) == job
    assert lifecycle.claim(worker=make_worker()) is None
    assert state_of(newer) == State.QUEUED


def test_a_lost_run_whose_kind_fails_does_not_hold_up_the_others(artist: User, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, other = claimed(submit(artist, kind=probe.LONG)), claimed(submit(artist))
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    broken = replace(kinds.get(probe.LONG), on_requeue=lambda job: 1 // 0)
    monkeypatch.setitem(kinds._kinds, probe.LONG, broken)

    assert lifecycle.requeue_lost() == 1

    assert (state_of(stuck), state_of(other)) == (State.RUNNING, State.QUEUED)


def test_whatever_the_engine_says_can_be_written_down(artist: User) -> None:
    job = claimed(submit(artist))

    lifecycle.fail(job_id=job.pk, fence=job.fence, code="c" * 99, say="a\0b", detail="\0" + "x" * 50_000 + "the end")

    job.refresh_from_db()
    assert (job.state, len(job.error_code), job.error_say) == (State.FAILED, 40, "ab")
    assert job.error_detail.endswith("the end")


# --- what is kept ---


def test_what_the_kind_cannot_keep_undoes_the_move(artist: User, monkeypatch: pytest.MonkeyPatch) -> None:
    job = claimed(submit(artist, price=PRICE))
    broken = OSError("the disk is full")

    def explode(*_: object) -> int:
        raise broken

    monkeypatch.setattr(probe, "_on_success", explode)
    probe.register()

    with pytest.raises(OSError, match="the disk is full"):
        lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done())

    job.refresh_from_db()
    assert job.state == State.RUNNING
    assert purse(artist) == (100 - PRICE, PRICE)
    assert lifecycle.fail(job_id=job.pk, fence=job.fence, code="not_kept", say="It could not be stored.")
    assert purse(artist) == (100, 0)


def test_what_delivers_nothing_costs_nothing(artist: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "CREDITS_DELIVERED", 0)
    job = claimed(submit(artist, price=PRICE))

    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done("stopped"))

    assert purse(artist) == (100, 0)


def test_an_event_is_kept_under_the_claim(artist: User) -> None:
    job = claimed(submit(artist))

    assert lifecycle.deliver(job_id=job.pk, fence=job.fence, event=contract.Metric(job="1", step=4, loss=1))

    assert probe.heard_of(job.subject) == ["event metric 4"]


def test_progress_is_written_and_what_is_not_said_stays(artist: User) -> None:
    job = claimed(submit(artist))
    lifecycle.report(job_id=job.pk, fence=job.fence, phase="denoising", fraction=0.25, step=5, steps=20, eta_seconds=9)
    lifecycle.report(job_id=job.pk, fence=job.fence, fraction=0.5)

    job.refresh_from_db()
    assert (job.phase, job.progress, job.step, job.steps, job.eta_seconds) == ("denoising", 0.5, 5, 20, 9)


# --- giving way ---


def test_a_training_gives_way_once_it_had_its_slice_and_a_picture_waited_a_minute(artist: User) -> None:
    training = claimed(submit(artist, kind=probe.LONG))
    picture = submit(artist)

    def asked_to_yield() -> bool:
        return lifecycle.heartbeat(job_id=training.pk, fence=training.fence).yield_

    assert not asked_to_yield()
    Job.objects.filter(pk=picture.pk).update(queued_at=Now() - timedelta(seconds=61))
    assert not asked_to_yield(), "it has just begun"
    Job.objects.filter(pk=training.pk).update(claimed_at=Now() - timedelta(seconds=61))
    assert asked_to_yield()


def test_who_gave_way_goes_behind_those_who_waited(artist: User) -> None:
    training = claimed(submit(artist, kind=probe.LONG))
    pictures = [submit(artist) for _ in range(3)]
    Job.objects.filter(pk__in=[job.pk for job in pictures]).update(queued_at=Now() - timedelta(seconds=90))
    Job.objects.filter(pk=training.pk).update(queued_at=Now() - timedelta(seconds=900))

    lifecycle.give_back(job_id=training.pk, fence=training.fence)

    order = [lifecycle.claim(worker=make_worker()) for _ in range(4)]
    assert order[-1] == training


def test_who_is_given_back_for_another_reason_keeps_its_place(artist: User) -> None:
    training = claimed(submit(artist, kind=probe.LONG))
    asked = training.queued_at

    lifecycle.give_back(job_id=training.pk, fence=training.fence)

    training.refresh_from_db()
    assert training.queued_at == asked


def test_a_picture_never_gives_way(artist: User) -> None:
    running, waiting = claimed(submit(artist)), submit(artist)
    Job.objects.filter(pk=waiting.pk).update(queued_at=Now() - timedelta(seconds=90))
    Job.objects.filter(pk=running.pk).update(claimed_at=Now() - timedelta(seconds=90))

    assert not lifecycle.signals(job_id=running.pk, fence=running.fence).yield_


# --- what the engine says of its memory ---

PLANNED = contract.Planned(job="1", profile="8gb", predicted_bytes=6 * 2**30)
ADAPTED = contract.Adapted(job="1", code="resolution", say="For want of memory your images are seen at 768 px.")


def _tell(job: Job, fence: int) -> tuple[bool, bool]:
    return (
        lifecycle.planned(job_id=job.pk, fence=fence, plan=PLANNED),
        lifecycle.adapted(job_id=job.pk, fence=fence, notice=ADAPTED),
    )


def test_plans_and_notices_are_kept_once_and_move_nothing(artist: User) -> None:
    job = claimed(submit(artist))

    assert _tell(job, job.fence) == _tell(job, job.fence) == (True, True)

    job.refresh_from_db()
    assert (job.state, job.memory_profile, job.predicted_bytes) == (State.RUNNING, "8gb", 6 * 2**30)
    assert job.notices == [{"code": ADAPTED.code, "say": ADAPTED.say}]
    assert list(JobEvent.objects.filter(job=job).values_list("to_state", flat=True)) == ["queued", "running"]


@pytest.mark.parametrize("state", State)
def test_a_claim_that_is_over_keeps_nothing(state: Job.State, artist: User) -> None:
    job = in_state(state, artist)

    assert _tell(job, job.fence + (state == State.RUNNING)) == (False, False)

    job.refresh_from_db()
    assert (job.memory_profile, job.notices) == ("", [])


def test_the_next_attempt_speaks_for_itself(artist: User) -> None:
    job = claimed(submit(artist))
    _tell(job, job.fence)
    lifecycle.give_back(job_id=job.pk, fence=job.fence)

    again = claimed(job)

    again.refresh_from_db()
    assert (again.memory_profile, again.predicted_bytes, again.notices) == ("", 0, [])


def test_notices_are_bounded_whatever_the_engine_says(artist: User) -> None:
    job = claimed(submit(artist))

    for number in range(30):
        notice = contract.Adapted(job="1", code="c", say=f"{number}\0" + "x" * 9999)
        assert lifecycle.adapted(job_id=job.pk, fence=job.fence, notice=notice)

    job.refresh_from_db()
    assert len(job.notices) == 20
    assert all(len(notice["say"]) <= 500 for notice in job.notices)
