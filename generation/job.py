"""How a picture goes through the GPU queue: what the engine gets, and how the finished file is hung."""

from __future__ import annotations

from pathlib import Path

from django.urls import reverse
from django.utils.text import Truncator

from gallery.actions import publish
from generation import adapters, tools
from generation.models import Output
from generation.queries import output_of
from generation.recipes import recipe_of_output
from generation.tools.text_to_image import NAME
from gpu.engine import contract
from gpu.kinds import JobKind
from gpu.models import Job


def build_spec(job: Job, workdir: Path) -> contract.Spec:
    """Bring the styles' weights to this disk and say what is to be drawn."""
    output = output_of(job.subject)
    paths = [adapters.on_disk(link.adapter) for link in output.request.styles.all()]
    return tools.get(output.request.tool).build_spec(output, paths, workdir)


def on_event(job: Job, event: contract.Event) -> None:
    """Remember where this attempt laid its picture; it is published when the job succeeds, in the same transaction."""
    if isinstance(event, contract.Artifact):
        Output.objects.filter(public_id=job.subject).update(file=event.path)


def on_success(job: Job, done: contract.Done) -> int:
    """Hang the picture, once; it is what is paid."""
    output = output_of(job.subject)
    request = output.request
    artwork = publish(
        owner=request.owner,
        job=job.public_id,
        file=Path(output.file),
        prompt=request.prompt,
        seed=output.seed,
        recipe=recipe_of_output(output, seconds=done.seconds, paid=job.price),
        styles=[(link.style, link.adapter, link.weight) for link in request.styles.all()],
        parent=request.source,
    )
    Output.objects.filter(pk=output.pk).update(artwork=artwork, file="")
    return job.price


def forget_file(job: Job) -> None:
    """The attempt is over: what it laid down must not be taken for the next one's."""
    Output.objects.filter(public_id=job.subject).update(file="")


def render(job: Job) -> str:
    from generation import fragments

    return fragments.live(output_of(job.subject))


def render_preview(job: Job, step: int, webp: str) -> str:
    from generation import fragments

    return fragments.preview(job, step, webp)


def describe(job: Job) -> tuple[str, str]:
    request = output_of(job.subject).request
    return Truncator(request.prompt).chars(60), f"{reverse('generation:create')}#batch-{request.public_id}"


TEXT_TO_IMAGE = JobKind(
    name=NAME,
    build_spec=build_spec,
    on_event=on_event,
    on_success=on_success,
    on_end=forget_file,
    on_requeue=forget_file,
    render=render,
    render_preview=render_preview,
    describe=describe,
)
