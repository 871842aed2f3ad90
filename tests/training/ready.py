"""A style that may be trained, and what an engine would have said of its run."""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.utils import timezone
from PIL import Image

from accounts.models import User
from gpu import lifecycle
from gpu.engine import contract
from gpu.models import Job, Worker
from styles.models import Style
from tests.builders import make_style
from training.actions import start_run
from training.models import Run


def make_ready_style(owner: User | None = None, *, works: int = 20) -> Style:
    """With its works and the declaration."""
    return make_style(owner, works=works)


def running_run(style: Style | None = None, *, quality: str = "standard") -> tuple[Run, Job]:
    """A run that a worker has claimed."""
    style = style or make_ready_style()
    run = start_run(owner=style.owner, style=style, purpose="style", quality=quality)
    worker, _ = Worker.objects.get_or_create(name="tests", defaults={"seen_at": timezone.now()})
    job = lifecycle.claim(worker=worker)
    assert job is not None
    return run, job


def checkpoint_event(job: Job, folder: Path, *, ordinal: int, step: int) -> contract.Checkpoint:
    weights = folder / f"{ordinal}.safetensors"
    weights.write_bytes(f"weights {ordinal}".encode())
    return contract.Checkpoint(
        job=str(job.public_id),
        ordinal=ordinal,
        step=step,
        loss=0.1,
        path=str(weights),
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        bytes=weights.stat().st_size,
        weight_norm=1.5,
    )


def sample_event(job: Job, folder: Path, *, step: int, prompt_no: int) -> contract.Sample:
    path = folder / f"{step}-{prompt_no}.png"
    Image.new("RGB", (8, 8), "teal").save(path)
    return contract.Sample(job=str(job.public_id), step=step, prompt_no=prompt_no, seed=1, path=str(path))


def done_event(job: Job, outcome: contract.Outcome = "finished") -> contract.Done:
    return contract.Done(job=str(job.public_id), outcome=outcome, seconds=1.0)
