"""The queue with two kinds of its own and an engine that only pretends."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now

from accounts.models import User
from billing import ledger
from gpu import kinds, lifecycle
from gpu.models import Job, Worker
from gpu.worker.runner import Runner
from tests.builders import make_user
from tests.fakes import probe

PATIENCE = 40.0  # seconds for what takes one on an idle machine
FAKE_ENGINE = f"{sys.executable} -m tests.fakes.engine"


@pytest.fixture(autouse=True)
def _probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "_kinds", dict(kinds._kinds))
    probe.register()


@pytest.fixture(autouse=True)
def state_dir(settings: LazySettings, tmp_path: Path) -> Path:
    settings.STATE_DIR = tmp_path
    return tmp_path


@pytest.fixture
def artist(db: None) -> User:
    return make_artist()


def make_artist(credits: int = 100) -> User:
    user = make_user()
    ledger.grant(user=user, amount=credits, source_ref=f"test:{user.pk}", say="For the test")
    return user


def make_worker(**fields: Any) -> Worker:
    return Worker.objects.create(name="here #1", seen_at=Now(), **fields)


def submit(owner: User, words: str = "", *, kind: str = probe.SHORT, price: int = 5, affinity: str = "") -> Job:
    subject = probe.write_script(words)
    return lifecycle.submit(owner=owner, kind=kind, subject=subject, price=price, say="A probe", affinity=affinity)


def until(condition: Callable[[], Any], *, seconds: float = PATIENCE, say: str = "") -> Any:
    """Wait for something that another thread or process does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(say or "it did not happen in time")


def state_of(job: Job) -> str:
    return Job.objects.values_list("state", flat=True).get(pk=job.pk)


def wait_for(job: Job, state: Job.State, *, seconds: float = PATIENCE) -> Job:
    until(lambda: state_of(job) == state, seconds=seconds, say=f"it is {state_of(job)}, not {state}")
    job.refresh_from_db()
    return job


def purse(owner: User) -> tuple[int, int]:
    """What can be spent and what is on hold."""
    account = ledger.account_of(owner)
    return account.available, account.held


@pytest.fixture
def engine_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_COMMAND", FAKE_ENGINE)


@pytest.fixture
def runner(transactional_db: None, engine_command: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    """A worker at work. It hears no bell here, so it looks more often."""
    monkeypatch.setattr("gpu.worker.runner.POLL", 0.05)
    monkeypatch.setattr("gpu.worker.pulse.LOOK", 0.05)
    thread = Runner()
    thread.start()
    yield thread
    thread.leave()
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.fixture
def nobody() -> uuid.UUID:
    return uuid.uuid4()
