"""A picture that has waited comes before a long training, on the real engine, and the training loses nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings

from generation import actions as generation_actions
from gpu.models import Job
from gpu.worker.runner import Runner
from tests.engine.conftest import make_tiny_base
from tests.training.ready import make_ready_style
from training import actions
from training.models import Run

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 600.0  # seconds for what takes twenty on an idle machine


@pytest.fixture
def runner(settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    """A worker with the real engine, on a base as small as they get."""
    settings.STATE_DIR = tmp_path / "state"
    settings.BASE_MODEL = str(make_tiny_base(tmp_path / "tiny"))
    monkeypatch.setenv("ENGINE_LOCK_DIR", str(tmp_path))
    monkeypatch.setattr("gpu.worker.runner.POLL", 0.1)
    monkeypatch.setattr("gpu.worker.pulse.LOOK", 0.1)
    thread = Runner()
    thread.start()
    yield thread
    thread.leave()
    thread.join(60)
    assert not thread.is_alive()


def until(job: Job, condition: Callable[[Job], bool]) -> None:
    """Wait for something to become true of a job, and say how it stands where that does not come."""
    end = time.monotonic() + PATIENCE
    while True:
        job.refresh_from_db()
        if condition(job):
            return
        stands = f"{job.state}, {job.phase}, step {job.step}: {job.error_code} {job.error_say} {job.error_detail}"
        assert time.monotonic() < end, stands
        assert job.state != Job.State.FAILED, stands
        time.sleep(0.1)


def done(job: Job) -> bool:
    return job.state == Job.State.SUCCEEDED


def test_a_training_gives_way_and_comes_back_as_if_nothing_had_been(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    style = make_ready_style()
    wishes = {"steps": 100, "batch": 1, "rank": 2}
    run = actions.start_run(owner=style.owner, style=style, purpose="style", quality="quick", advanced=wishes)
    training = run.job
    until(training, lambda job: job.step > 3)
    monkeypatch.setattr("gpu.lifecycle.line.PATIENCE", timedelta(seconds=0.1))
    monkeypatch.setattr("gpu.lifecycle.working.SLICE", timedelta(seconds=0.1))
    data = {"prompt": "a red fox", "steps": 4, "count": 1}
    request = generation_actions.create_request(owner=style.owner, tool="text_to_image", data=data)
    picture = request.outputs.get().job

    assert picture is not None
    until(picture, done)
    training.refresh_from_db()
    assert training.state in (Job.State.QUEUED, Job.State.RUNNING)
    until(training, done)
    run = Run.objects.get(pk=run.pk)
    assert training.attempts == 0
    assert training.fence > 1
    assert [checkpoint.step for checkpoint in run.checkpoints.all()] == [50, 100]
    assert run.samples.count() == 3 * 4
