"""How an output goes through the GPU queue: what the engine gets, and how the finished file is hung."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.urls import reverse
from django.utils.text import Truncator

from gallery.actions import publish
from generation import adapters, sources, tools
from generation.models import Output
from generation.queries import output_of
from generation.receipts import receipt
from generation.recipes import recipe_of_output
from generation.tools.text_to_image import NAME
from gpu.engine import contract
from gpu.kinds import JobKind
from gpu.models import Job

BAD_WEIGHTS = "bad_weights"  # how the engine calls a file that is not what its hash says


def build_spec(job: Job, workdir: Path) -> contract.Spec:
    """Bring the styles' weights, the source and the mask to this disk and say what is to be made."""
    output = output_of(job.subject)
    request = output.request
    material = tools.Material(
        out_dir=workdir,
        styles=[
            contract.StyleWeight(
                path=str(adapters.on_disk(link.adapter)),
                sha256=link.adapter.sha256,
                weight=link.weight,
                works=adapters.works_on_disk(link.adapter),
            )
            for link in request.styles.all()
        ],
        source=sources.lay_out(request, workdir),
        mask=sources.lay_out_mask(request, workdir),
    )
    return tools.get(request.tool).build_spec(output, material)


def on_event(job: Job, event: contract.Event) -> None:
    """Remember where this attempt laid its file and what the engine said of it.

    It is published when the job succeeds, in the same transaction.
    """
    output = Output.objects.only("made").get(public_id=job.subject)
    match event:
        case contract.Artifact():
            said = event.model_dump(include={"poster", "seconds", "fps", "say"}, exclude_defaults=True)
            _remember(output, said, file=event.path)
        case contract.Likeness():
            nearest = output.made.get("likeness")
            if nearest is None or event.similarity > nearest["similarity"]:  # of several styles the nearest work counts
                _remember(output, {"likeness": event.model_dump(exclude={"event", "job"})})


def _remember(output: Output, said: dict[str, Any], **changes: Any) -> None:
    Output.objects.filter(pk=output.pk).update(made={**output.made, **said}, **changes)


def on_success(job: Job, done: contract.Done) -> int:
    """Hang what was made, once; it is what is paid."""
    output = output_of(job.subject)
    request, made = output.request, output.made
    artwork = publish(
        owner=request.owner,
        job=job.public_id,
        file=Path(output.file),
        prompt=request.prompt,
        seed=output.seed,
        recipe=recipe_of_output(output, seconds=done.seconds, paid=job.price),
        styles=[(link.style, link.adapter, link.weight) for link in request.styles.all()],
        parent=request.source,
        kind="video" if made.get("poster") else "image",
        poster=Path(made["poster"]) if made.get("poster") else None,
        seconds=made.get("seconds"),
        likeness=made.get("likeness"),
    )
    Output.objects.filter(pk=output.pk).update(artwork=artwork, file="")
    return job.price


def forget_file(job: Job) -> None:
    """The attempt is over: what it laid down must not be taken for the next one's."""
    Output.objects.filter(public_id=job.subject).update(file="", made={})
    if job.error_code == BAD_WEIGHTS:
        for link in output_of(job.subject).request.styles.all():
            adapters.forget(link.adapter)


def render(job: Job) -> str:
    from generation import fragments

    return fragments.live(output_of(job.subject))


def render_preview(job: Job, step: int, webp: str) -> str:
    from generation import fragments

    return fragments.preview(job, step, webp)


def describe(job: Job) -> tuple[str, str]:
    request = output_of(job.subject).request
    title = Truncator(request.prompt).chars(60)
    if request.tool != NAME or not title:  # the words of the picture alone would not tell its film from it
        title = ": ".join(filter(None, (tools.title_of(request.tool), title)))
    return title, f"{reverse('generation:create')}#batch-{request.public_id}"


def kind_of(name: str) -> JobKind:
    """The kind of the jobs of the tool of that name: every tool goes through the queue alike."""
    return JobKind(
        name=name,
        build_spec=build_spec,
        on_event=on_event,
        on_success=on_success,
        on_end=forget_file,
        on_requeue=forget_file,
        receipt=receipt,
        render=render,
        render_preview=render_preview,
        describe=describe,
    )
