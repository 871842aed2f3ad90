"""A worker as in life: a Celery process with an engine of its own, rung through Redis, killed, and told to go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from accounts.models import User
from gpu.models import Job, Worker
from tests.fakes import probe
from tests.gpu.conftest import FAKE_ENGINE, PATIENCE, make_artist, purse, submit, until, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def artist(transactional_db: None) -> User:
    return make_artist()


@pytest.fixture
def start_worker(transactional_db: None, settings: LazySettings, tmp_path: Path) -> Iterator[Start]:
    settings.STATE_DIR = tmp_path / "artistcloner-tests"  # where the test settings put it below TMPDIR
    database = connection.settings_dict
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**database),
        "REDIS_URL": settings.REDIS_URL,
        "TMPDIR": str(tmp_path),
        "ENGINE_COMMAND": FAKE_ENGINE,
    }
    command = [sys.executable, "-m", "celery", "-A", "tests.fakes.worker_app", "worker", "-Q", "gpu"]
    options = ["--pool=threads", "--concurrency=1", "--without-gossip", "--without-mingle", "--loglevel=INFO"]
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        log = (tmp_path / f"worker-{len(started)}.log").open("wb")
        process = subprocess.Popen([*command, *options], env=env, cwd=settings.BASE_DIR, stdout=log, stderr=log)
        started.append(process)
        until(lambda: Worker.objects.count() >= len(started), say="the worker did not come up")
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def snapshots(job: Job) -> int:
    return sum("snapshot" in line for line in probe.heard_of(job.subject))


def test_a_killed_worker_s_job_is_resumed_by_the_next_one_at_once(start_worker: Start, artist: User) -> None:
    worker = start_worker()
    job = submit(artist, "delay=0.1", kind=probe.LONG)
    until(lambda: snapshots(job) >= 3)

    worker.send_signal(signal.SIGKILL)
    worker.wait()
    done = snapshots(job)
    start_worker()

    wait_for(job, Job.State.SUCCEEDED)
    heard = probe.heard_of(job.subject)
    assert heard.count(f"event metric {done}") == 1, "what was done is not done again"
    assert (job.lost, job.attempts, job.fence) == (1, 1, 2)
    assert purse(artist) == (100 - probe.CREDITS_DELIVERED, 0)
    first, second = Worker.objects.order_by("pk")
    assert first.seat == second.seat


def test_a_worker_that_is_told_to_go_gives_back_its_job_and_leaves_nothing_running(
    start_worker: Start, artist: User
) -> None:
    worker = start_worker()
    job = submit(artist, "delay=0.1", kind=probe.LONG)
    until(lambda: snapshots(job) >= 2)
    until(lambda: Worker.objects.get().heard_at, say="the doorbell was not heard")

    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)

    wait_for(job, Job.State.QUEUED)
    assert time.monotonic() - began < 6, "the engine heard it: nobody had to end it"
    assert job.attempts == 0
    assert worker.wait(PATIENCE) == 0
    assert Worker.objects.get().draining_at
    children = Path("/proc").glob(f"[0-9]*/task/{worker.pid}/children")
    assert not [path for path in children if path.read_text().strip()]
