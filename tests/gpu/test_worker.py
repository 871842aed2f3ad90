"""One worker and a real engine process that is told what to do."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection

from accounts.models import User
from gpu import lifecycle
from gpu.engine_process import EngineProcess
from gpu.lifecycle import working
from gpu.models import Job, Worker
from gpu.worker.attempt import CANCEL_SECONDS
from gpu.worker.runner import Runner
from gpu.worker.seat import Seat
from tests.fakes import probe
from tests.gpu.conftest import FAKE_ENGINE, PATIENCE, make_artist, purse, submit, until, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def artist(transactional_db: None) -> User:
    return make_artist()


def test_it_draws_a_picture_delivers_it_and_is_paid(runner: Runner, artist: User) -> None:
    job = wait_for(submit(artist, "steps=4"), Job.State.SUCCEEDED)

    assert probe.heard_of(job.subject) == ["spec 1", "event artifact", "success finished"]
    assert (job.progress, job.phase, job.peak_bytes) == (1.0, "denoising", 1)
    assert purse(artist) == (100 - probe.CREDITS_DELIVERED, 0)


def test_it_keeps_what_the_engine_planned_and_what_it_had_to_change(runner: Runner, artist: User) -> None:
    job = wait_for(submit(artist, "steps=4 adapt=3"), Job.State.SUCCEEDED)

    assert (job.memory_profile, job.predicted_bytes, job.peak_bytes) == ("8gb", 2**30, 1)
    assert job.notices == [{"code": "smaller_pieces", "say": "It is done in smaller pieces."}]
    assert probe.heard_of(job.subject) == ["spec 1", "event artifact", "success finished"], "the kind hears none of it"
    assert Worker.objects.get().profile == "8gb"


def test_it_takes_one_job_after_the_other(runner: Runner, artist: User) -> None:
    jobs = [submit(artist, "steps=2 delay=0") for _ in range(5)]

    for job in jobs:
        wait_for(job, Job.State.SUCCEEDED)


def test_it_reports_progress_while_it_works(runner: Runner, artist: User) -> None:
    job = submit(artist, "steps=40 delay=0.05")

    until(lambda: 0 < Job.objects.get(pk=job.pk).progress < 1)
    job.refresh_from_db()
    assert (job.phase, job.steps) == ("denoising", 40)
    assert job.eta_seconds


def test_an_engine_that_crashes_costs_a_try_and_the_next_one_resumes(
    runner: Runner, artist: User, tmp_path: Path
) -> None:
    job = submit(artist, f"crash=12 once={tmp_path / 'crashed'} delay=0.01", kind=probe.LONG)

    wait_for(job, Job.State.SUCCEEDED)

    heard = probe.heard_of(job.subject)
    assert heard.count("event metric 11") == 1, "what the snapshot holds is not done again"
    assert heard.count("requeue") == 1
    assert (job.attempts, job.lost, job.fence) == (1, 1, 2)
    assert purse(artist) == (100 - probe.CREDITS_DELIVERED, 0)


def test_a_job_that_always_ends_the_engine_fails_after_three_tries_and_costs_nothing(
    runner: Runner, artist: User
) -> None:
    job = wait_for(submit(artist, "crash=1"), Job.State.FAILED)

    assert (job.error_code, job.attempts, job.lost) == ("worker_lost", 3, 3)
    assert "crashing as told" in job.error_detail
    assert purse(artist) == (100, 0)
    wait_for(submit(artist), Job.State.SUCCEEDED)


def test_an_engine_that_hangs_is_killed_and_the_job_goes_on(
    artist: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr("gpu.engine_process.PING_EVERY", 0.1)
    monkeypatch.setattr("gpu.engine_process.SILENCE_SECONDS", 1.0)
    request.getfixturevalue("runner")

    job = submit(artist, f"hang=3 once={tmp_path / 'hung'}")

    wait_for(job, Job.State.SUCCEEDED)
    assert job.lost == 1


def test_a_job_that_makes_no_progress_any_more_is_taken_from_its_engine(
    artist: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr("gpu.engine_process.STALL_SECONDS", 2.0)  # a busy machine starts an engine slowly
    request.getfixturevalue("runner")

    job = submit(artist, f"stall=3 once={tmp_path / 'stalled'}")

    wait_for(job, Job.State.SUCCEEDED)
    assert job.lost == 1


def test_an_error_that_may_pass_is_tried_again(
    runner: Runner, artist: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu.lifecycle.moves.BACK_OFF", {1: working.timedelta(0), 2: working.timedelta(0)})

    job = wait_for(submit(artist, f"error=2 once={tmp_path / 'failed'}"), Job.State.SUCCEEDED)

    assert (job.attempts, job.lost, job.error_code) == (1, 0, "")


def test_an_error_that_must_come_again_ends_the_job_and_is_told(runner: Runner, artist: User) -> None:
    job = wait_for(submit(artist, "error=2 final=1 code=bad_weights"), Job.State.FAILED)

    assert (job.error_code, job.error_say) == ("bad_weights", "It was told to fail.")
    assert probe.heard_of(job.subject) == ["spec 1", "end"]
    assert purse(artist) == (100, 0)


def test_cancelling_reaches_the_engine(runner: Runner, artist: User) -> None:
    job = submit(artist, "steps=1000 delay=0.02")
    wait_for(job, Job.State.RUNNING)
    until(lambda: Job.objects.get(pk=job.pk).progress > 0)

    asked = time.monotonic()
    assert lifecycle.request_cancel(job_id=job.pk)

    wait_for(job, Job.State.CANCELLED)
    assert time.monotonic() - asked < CANCEL_SECONDS / 2, "the engine heard it: nobody had to end it"
    assert probe.heard_of(job.subject) == ["spec 1", "end"]
    assert purse(artist) == (100, 0)


def test_an_engine_that_does_not_let_go_of_a_cancelled_job_is_ended(
    runner: Runner, artist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu.worker.attempt.CANCEL_SECONDS", 0.3)
    job = submit(artist, "steps=1000 deaf=1")
    wait_for(job, Job.State.RUNNING)

    lifecycle.request_cancel(job_id=job.pk)

    wait_for(job, Job.State.CANCELLED)
    wait_for(submit(artist), Job.State.SUCCEEDED)


def test_stopping_keeps_and_pays_what_is_finished(runner: Runner, artist: User) -> None:
    job = submit(artist, "delay=0.4", kind=probe.LONG)
    until(lambda: "event checkpoint 10" in probe.heard_of(job.subject))

    assert lifecycle.request_stop(job_id=job.pk)

    wait_for(job, Job.State.SUCCEEDED)
    assert probe.heard_of(job.subject)[-1] == "success stopped"
    assert purse(artist) == (100 - probe.CREDITS_DELIVERED, 0)


def test_what_cannot_be_stored_is_a_failure_and_not_the_worker_s_end(
    runner: Runner, artist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu.lifecycle.moves.BACK_OFF", {1: working.timedelta(0), 2: working.timedelta(0)})

    job = wait_for(submit(artist, "unstorable"), Job.State.FAILED)

    assert (job.error_code, job.attempts) == ("not_kept", 3)
    assert "the disk is full" in job.error_detail
    assert purse(artist) == (100, 0)


def test_a_success_that_cannot_be_kept_leaves_the_engine_to_the_next_job(
    runner: Runner, artist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu.lifecycle.moves.BACK_OFF", {1: working.timedelta(0), 2: working.timedelta(0)})
    monkeypatch.setattr(probe, "_on_success", lambda job, done: 1 // 0)
    probe.register()
    job = submit(artist)

    wait_for(job, Job.State.FAILED)

    assert job.error_code == "not_kept"
    assert runner._engine
    assert runner._engine.alive
    assert purse(artist) == (100, 0)


def test_a_job_whose_preparation_fails_is_told_to_its_owner(
    runner: Runner, artist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu.lifecycle.moves.BACK_OFF", {1: working.timedelta(0), 2: working.timedelta(0)})
    job = submit(artist, "x" * 2000)  # longer than the contract lets a prompt be

    wait_for(job, Job.State.FAILED)

    assert job.error_code == "not_prepared"
    assert "cost nothing" in job.error_say


def test_a_worker_that_is_told_to_leave_gives_its_job_back_and_no_try_is_counted(runner: Runner, artist: User) -> None:
    job = submit(artist, "delay=0.05", kind=probe.LONG)
    until(lambda: "event snapshot 3" in probe.heard_of(job.subject))

    runner.leave()
    runner.join(PATIENCE)

    job.refresh_from_db()
    assert (job.state, job.attempts, job.lease_until) == (Job.State.QUEUED, 0, None)
    assert purse(artist) == (95, 5)
    assert Worker.objects.get().draining_at


def test_an_engine_that_cannot_leave_in_time_is_ended_and_the_job_given_back(runner: Runner, artist: User) -> None:
    runner.grace = 0.3
    job = submit(artist, "steps=1000 deaf=1")
    wait_for(job, Job.State.RUNNING)

    runner.leave()
    runner.join(PATIENCE)

    job.refresh_from_db()
    assert (job.state, job.attempts) == (Job.State.QUEUED, 0)


def test_a_training_gives_way_to_a_picture_that_has_waited(
    runner: Runner, artist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = submit(artist, "delay=0.1", kind=probe.LONG)
    until(lambda: "event snapshot 2" in probe.heard_of(training.subject))
    monkeypatch.setattr("gpu.lifecycle.line.PATIENCE", working.timedelta(seconds=0.2))
    monkeypatch.setattr(working, "SLICE", working.timedelta(seconds=0.2))

    picture = submit(artist)

    wait_for(picture, Job.State.SUCCEEDED)
    wait_for(training, Job.State.SUCCEEDED)
    assert training.attempts == 0
    assert training.finished_at > picture.finished_at
    assert probe.heard_of(training.subject).count("event metric 5") == 1


def test_a_worker_that_lost_its_job_stops_working_on_it(runner: Runner, artist: User) -> None:
    job = submit(artist, "steps=200 delay=0.02")
    wait_for(job, Job.State.RUNNING)
    until(lambda: Job.objects.get(pk=job.pk).progress > 0)

    lifecycle.requeue(job_id=job.pk)

    wait_for(job, Job.State.RUNNING)
    until(lambda: Job.objects.get(pk=job.pk).fence == 2)
    lifecycle.request_cancel(job_id=job.pk)
    wait_for(job, Job.State.CANCELLED)
    assert probe.heard_of(job.subject) == ["spec 1", "requeue", "spec 2", "end"]


def test_no_folder_of_an_attempt_stays_behind(runner: Runner, artist: User, state_dir: Path) -> None:
    job = wait_for(submit(artist, kind=probe.LONG), Job.State.SUCCEEDED)

    until(lambda: not (state_dir / "work" / str(job.public_id)).exists())


def test_the_engine_ends_with_the_worker(runner: Runner, artist: User) -> None:
    wait_for(submit(artist), Job.State.SUCCEEDED)
    assert runner._engine
    pid = runner._engine.pid

    runner.leave()
    runner.join(PATIENCE)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)


def test_a_run_goes_on_without_redis(
    transactional_db: None, settings: LazySettings, request: pytest.FixtureRequest
) -> None:
    nowhere = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": ["redis://127.0.0.1:1"]}}
    settings.CHANNEL_LAYERS = {"default": nowhere}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("config.kit.doorbell.current_app.send_task", _unheard)
        request.getfixturevalue("runner")

        wait_for(submit(make_artist(), "steps=10 delay=0.05"), Job.State.SUCCEEDED)


def _unheard(*_: object, **__: object) -> None:
    raise ConnectionError("there is no Redis")


def test_a_run_survives_a_database_that_breaks_its_connections(runner: Runner, artist: User) -> None:
    job = submit(artist, "delay=0.1", kind=probe.LONG)
    until(lambda: "event snapshot 4" in probe.heard_of(job.subject))

    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )

    wait_for(job, Job.State.SUCCEEDED)
    assert (job.attempts, job.fence) == (0, 1)


def test_a_worker_begins_when_the_database_is_there(
    transactional_db: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = Worker.objects.create, iter([OperationalError("away"), OperationalError("still away")])

    def create(**fields: object) -> Worker:
        for failure in failures:
            raise failure
        return real(**fields)

    monkeypatch.setattr("gpu.worker.runner.FIRST_PAUSE", 0.05)
    monkeypatch.setattr(Worker.objects, "create", create)
    request.getfixturevalue("runner")

    wait_for(submit(make_artist()), Job.State.SUCCEEDED)


def test_a_new_worker_ends_the_engine_that_its_predecessor_left_hanging(
    state_dir: Path, engine_command: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat = Seat()
    orphan = EngineProcess()
    orphan.hello()
    os.kill(orphan.pid, signal.SIGSTOP)
    seat.note_engine(orphan.pid)
    seat.leave()
    monkeypatch.setattr("gpu.worker.seat.ORPHAN_SECONDS", 0.2)

    again = Seat()

    assert again.id == seat.id
    until(lambda: not orphan.alive)
    again.leave()


def test_two_workers_of_one_machine_have_a_seat_each(state_dir: Path) -> None:
    first, second = Seat(), Seat()

    assert (first.number, second.number) == (1, 2)
    assert first.id != second.id
    first.leave()
    assert Seat().id == first.id


def test_an_engine_that_does_not_come_up_takes_no_job(
    artist: User, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("engine_command")
    monkeypatch.setattr("gpu.worker.runner.FIRST_PAUSE", 0.05)
    monkeypatch.setenv("ENGINE_COMMAND", f"{sys.executable} -c 'raise SystemExit(3)'")
    job = submit(artist)
    thread = Runner()
    thread.start()
    time.sleep(1)
    assert not Worker.objects.exists()

    monkeypatch.setenv("ENGINE_COMMAND", FAKE_ENGINE)

    wait_for(job, Job.State.SUCCEEDED)
    assert job.attempts == 0
    thread.leave()
    thread.join(PATIENCE)
