"""Where attempts work on this machine's disk: STATE_DIR/work/<job>/<fence>/, and the kind's snapshot beside them."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from gpu.models import Job

_chores: list[Callable[[], object]] = []


def work_root() -> Path:
    return Path(settings.STATE_DIR) / "work"


def attempt_folder(job: Job) -> Path:
    """The attempt's own, empty."""
    folder = work_root() / str(job.public_id) / str(job.fence)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def tidy(folder: Path) -> None:
    """Remove what nobody needs of a job's folder: all of it once the job has ended, else its earlier attempts."""
    try:
        public_id = uuid.UUID(folder.name)
    except ValueError:  # the seats
        return
    job = Job.objects.filter(public_id=public_id).only("state", "fence").first()
    if job is None or job.ended:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for attempt in folder.iterdir():
        if attempt.name.isdigit() and (job.state == Job.State.QUEUED or int(attempt.name) < job.fence):
            shutil.rmtree(attempt, ignore_errors=True)


def tidy_all() -> None:
    for folder in work_root().iterdir():
        tidy(folder)
    for chore in _chores:
        chore()


def also_tidy(chore: Callable[[], object]) -> None:
    """Rooms above register in `AppConfig.ready()` what else lies on a worker's disk and may be nobody's any more."""
    _chores.append(chore)
