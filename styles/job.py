"""How a look at a set goes through the GPU queue: quietly, for nothing, and behind all other work."""

from __future__ import annotations

from pathlib import Path

from django.urls import reverse

from config.kit import media
from gpu.engine import contract
from gpu.kinds import JobKind
from gpu.models import Job
from styles import fragments
from styles.actions.studying import KIND, note_study
from styles.models import Style

CAPTIONER = "captioner"  # of the catalogue; an engine that has not got it writes no captions


def style_of(job: Job) -> Style:
    return Style.objects.with_deleted().get(public_id=job.subject)


def build_spec(job: Job, workdir: Path) -> contract.Spec:
    """The works as they are now, whatever they were when it was asked for."""
    images = [
        contract.StudyImage(
            id=str(reference.public_id),
            path=str(media.fetch(reference.key, workdir / "works" / f"{reference.position:03d}.jpg")),
        )
        for reference in style_of(job).references.all()
    ]
    return contract.StudySpec(images=images, captioner=CAPTIONER)


def on_event(job: Job, event: contract.Event) -> None:
    if isinstance(event, contract.Studied):
        note_study(style=style_of(job), work=event.image, oddness=event.oddness, odd=event.odd, caption=event.caption)


def on_success(job: Job, done: contract.Done) -> int:
    return 0


def on_end(job: Job) -> None:
    """Nothing was promised, so nothing is missed."""


def render(job: Job) -> str:
    """The references page, once something is known."""
    return fragments.studied(style_of(job)) if job.state == Job.State.SUCCEEDED else ""


def describe(job: Job) -> tuple[str, str]:
    style = style_of(job)
    return style.name, reverse("styles:detail", args=[style.public_id])


STUDY = JobKind(
    name=KIND,
    build_spec=build_spec,
    on_event=on_event,
    on_success=on_success,
    on_end=on_end,
    render=render,
    render_preview=lambda job, step, webp: "",
    describe=describe,
    quiet=True,
)
