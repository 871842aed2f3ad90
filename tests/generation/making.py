"""What tests of pictures need: a request that is wanted, a worker that claims it, a file that an engine would leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.utils import timezone
from PIL import Image

from accounts.models import User
from billing import ledger
from generation import actions
from generation.models import Output, Request
from gpu import lifecycle
from gpu.engine import contract
from gpu.models import Job, Worker
from tests.builders import make_user


def make_artist(credits: int = 100) -> User:
    """Somebody with credits to spend."""
    user = make_user()
    if credits:
        ledger.grant(user=user, amount=credits, source_ref=f"test:{user.public_id}", say="For a test")
    return user


def ask(owner: User | None = None, **wish: Any) -> Request:
    data = {"prompt": "a fox in the snow", "count": 1, **wish}
    return actions.create_request(owner=owner or make_artist(), tool="text_to_image", data=data)


def claimed(output: Output) -> Job:
    """The picture's job, in a worker's hands; whatever stands before it in the line is claimed as well."""
    worker, _ = Worker.objects.get_or_create(name="tests", defaults={"seen_at": timezone.now()})
    output.refresh_from_db()
    while job := lifecycle.claim(worker=worker):
        if job.pk == output.job_id:
            return job
    raise AssertionError("the job was not in the line")


def deliver(job: Job, folder: Path, *, colour: str = "teal") -> contract.Artifact:
    """The engine has laid down its picture and says so."""
    output = Output.objects.select_related("request").get(public_id=job.subject)
    width, height = output.request.params["width"], output.request.params["height"]
    path = folder / f"{job.public_id}-{job.fence}.png"
    Image.new("RGB", (width, height), colour).save(path)
    event = contract.Artifact(job=str(job.public_id), path=str(path), width=width, height=height, seed=output.seed)
    assert lifecycle.deliver(job_id=job.public_id, fence=job.fence, event=event)
    return event


def done(job: Job) -> contract.Done:
    return contract.Done(job=str(job.public_id), outcome="finished", seconds=1.5)


def finish(output: Output, folder: Path) -> Output:
    """From the line to the gallery."""
    job = claimed(output)
    deliver(job, folder)
    assert lifecycle.succeed(job_id=job.public_id, fence=job.fence, done=done(job))
    output.refresh_from_db()
    return output
