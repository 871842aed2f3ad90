"""One person who has used everything: what the authorization matrix knocks at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allauth.usersessions.models import UserSession
from django.utils import timezone
from PIL import Image

from accounts.models import DataExport, User
from accounts.notices import WELCOME
from accounts.notifications import notify
from accounts.tokens import create_token
from billing.models import Purchase
from gallery.actions import publish
from generation.actions import create_request
from gpu import lifecycle
from tests.training.ready import checkpoint_event, done_event, running_run


@dataclass(frozen=True)
class World:
    owner: User
    arguments: dict[str, Any]


def make_world(folder: Path) -> World:
    """A trained style, a finished picture, a picture in the line, a token."""
    run, job = running_run()
    owner = run.style.owner
    lifecycle.deliver(job_id=job.pk, fence=job.fence, event=checkpoint_event(job, folder, ordinal=1, step=100))
    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job))
    wish = {"prompt": "a house", "styles": [{"id": str(run.style.public_id), "weight": 1}]}
    request = create_request(owner=owner, tool="text_to_image", data=wish)
    output = request.outputs.get()
    picture = folder / "picture.png"
    Image.new("RGB", (128, 128), "teal").save(picture)
    artwork = publish(
        owner=owner,
        job=job.public_id,
        file=picture,
        prompt="a house",
        seed=1,
        recipe={
            "prompt": "a house",
            "seed": 1,
            "steps": 20,
            "width": 128,
            "height": 128,
            "guidance": 4,
            "model": "starter",
        },
        styles=[(run.style, run.adapter, 1.0)],
    )
    reference = run.style.references.first()
    assert reference is not None
    told = notify(user=owner, kind=WELCOME, key="world", title="Welcome")
    assert told is not None
    return World(
        owner=owner,
        arguments={
            "style_id": run.style.public_id,
            "run_id": run.public_id,
            "checkpoint_id": run.checkpoints.get().public_id,
            "work_id": reference.public_id,
            "image_id": reference.public_id,
            "number": run.adapter.number,
            "step": 100,
            "part": "live",
            "job_id": output.job.public_id,
            "request_id": request.public_id,
            "generation_id": request.public_id,
            "output_id": output.public_id,
            "artwork_id": artwork.public_id,
            "token_id": create_token(user=owner, name="kept")[0].public_id,
            "session_id": UserSession.objects.create(user=owner, session_key="elsewhere", ip="127.0.0.1").pk,
            "notification_id": told.public_id,
            "export_id": _archive(owner).public_id,
            "purchase_id": Purchase.objects.create(user=owner, kind="pack", lookup_key="pack_50").public_id,
            "token": "no-such-link",
            "key": "no/such/file.png",
            "name": "no-such-mail",
            "tool": "inpaint",
        },
    )


def _archive(owner: User) -> DataExport:
    """As it is once it is made; the file itself is not there."""
    return DataExport.objects.create(user=owner, state="ready", key="exports/1.zip", ready_at=timezone.now())
