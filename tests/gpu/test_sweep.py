"""The small jobs around the queue, and the clock that starts them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models.functions import Now

from accounts.models import User
from config.celery import app
from gpu import tasks
from gpu.models import Job, Worker
from gpu.worker import folders
from tests.fakes import probe
from tests.gpu.conftest import make_worker, submit
from tests.gpu.test_moves import claimed

pytestmark = pytest.mark.django_db


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    for place in ("gpu.tasks.ring", "gpu.lifecycle.lost.ring"):
        monkeypatch.setattr(place, lambda place=place: heard.append(place))
    return heard


def test_the_sweep_rings_while_something_waits(artist: User, rings: list[str]) -> None:
    tasks.sweep()
    assert rings == []
    job = submit(artist)

    tasks.sweep()

    assert rings == ["gpu.tasks.ring"]
    job.refresh_from_db()
    assert job.rung_at


def test_the_sweep_does_not_ring_for_what_may_not_start_yet(artist: User, rings: list[str]) -> None:
    job = submit(artist)
    Job.objects.filter(pk=job.pk).update(not_before=Now() + timedelta(seconds=30))

    tasks.sweep()

    assert rings == []


def test_the_sweep_gives_up_lost_runs_and_rings_for_them(artist: User, rings: list[str]) -> None:
    job = claimed(submit(artist))
    Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))

    tasks.sweep()

    job.refresh_from_db()
    assert (job.state, job.lost) == (Job.State.QUEUED, 1)
    assert rings


def test_the_canary_forgets_workers_that_are_long_gone(rings: list[str]) -> None:
    gone, here = make_worker(), make_worker()
    Worker.objects.filter(pk=gone.pk).update(seen_at=Now() - timedelta(days=2))

    tasks.canary()

    assert list(Worker.objects.all()) == [here]
    assert rings == ["gpu.tasks.ring"]


def test_the_canary_notices_a_worker_that_hears_nothing(rings: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    worker = make_worker()
    Worker.objects.filter(pk=worker.pk).update(started_at=Now() - timedelta(minutes=10), heard_at=Now())
    tasks.canary()
    assert "worker_deaf" not in capsys.readouterr().out

    Worker.objects.filter(pk=worker.pk).update(heard_at=Now() - timedelta(minutes=4))
    tasks.canary()

    assert "worker_deaf" in capsys.readouterr().out


def test_the_clock_knows_these_tasks() -> None:
    app.loader.import_default_modules()
    for entry in ("gpu-sweep", "gpu-canary"):
        assert settings.CELERY_BEAT_SCHEDULE[entry]["task"] in app.tasks
        assert app.conf.beat_schedule[entry]["schedule"] <= timedelta(minutes=1)


def test_the_doorbell_is_heard_on_the_queue_of_the_gpu() -> None:
    assert app.amqp.router.route({}, "gpu.worker.work")["queue"].name == "gpu"
    assert app.amqp.router.route({}, "gpu.tasks.sweep")["queue"].name == "default"


def test_folders_of_ended_jobs_and_of_earlier_tries_are_removed(artist: User) -> None:
    running, ended = claimed(submit(artist, kind=probe.LONG)), submit(artist)
    Job.objects.filter(pk=ended.pk).update(state=Job.State.CANCELLED)
    Job.objects.filter(pk=running.pk).update(fence=2)
    root = folders.work_root()
    for kept in (f"{running.public_id}/2", f"{running.public_id}/snapshot", "seats"):
        (root / kept).mkdir(parents=True)
    for stale in (f"{running.public_id}/1", f"{ended.public_id}/snapshot"):
        (root / stale).mkdir(parents=True)

    folders.tidy_all()

    left = sorted(str(path.relative_to(root)) for path in root.glob("*/*"))
    assert left == [f"{running.public_id}/2", f"{running.public_id}/snapshot"]
    assert not (root / str(ended.public_id)).exists()
    assert (root / "seats").exists()
