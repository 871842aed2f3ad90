"""Starting a training, and choosing among what it learned."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from django.db import transaction

from accounts.models import User
from billing import allowance
from config.kit import media
from config.kit.errors import Conflict, Refusal
from gpu import lifecycle
from gpu.models import Job
from styles import actions as style_actions
from styles import rules
from styles.models import Adapter, Style
from training.models import Checkpoint, Run, RunReference
from training.presets import SAMPLE_SEED, plan, sample_prompts

KIND = "train_lora"


@transaction.atomic
def start_run(*, owner: User, style: Style, purpose: str, quality: str, advanced: dict[str, Any] | None = None) -> Run:
    """Fix what will be learned, hold the credits and queue the job: all of it, or nothing.

    Raises `Refusal` where the style is not ready, a bound is missed or the credits do not reach.
    """
    allowance.rate(owner, "submit")
    style = Style.objects.select_for_update().get(pk=style.pk)
    rules.may_work_with(style)
    if running_run(style) is not None:
        raise Conflict("This style is learning already. Wait for it, or stop it first.", code="already_training")
    rules.ready_to_train(style, purpose=purpose)
    references = list(style.references.all())
    captions = [reference.caption for reference in references]
    wanted = plan(images=len(references), purpose=purpose, quality=quality, advanced=advanced, captions=captions)
    prompts = sample_prompts(wanted.base, captions)

    run_id = uuid.uuid4()
    adapter = style_actions.new_adapter(
        style=style, base=wanted.base, method=wanted.method, rank=wanted.rank, steps=wanted.steps
    )
    job = lifecycle.submit(
        owner=owner,
        kind=KIND,
        subject=run_id,
        price=wanted.price,
        say=f"Training {style.name} v{adapter.number}",
        affinity=wanted.base,
    )
    settings = wanted.as_settings() | {"prompts": prompts, "seed": SAMPLE_SEED, "flip": style.allow_flip}
    run = Run.objects.create(
        public_id=run_id, style=style, job=job, adapter=adapter, purpose=purpose, quality=quality, settings=settings
    )
    RunReference.objects.bulk_create(
        RunReference(
            run=run,
            reference=reference,
            ordinal=ordinal,
            sha256=reference.sha256,
            key=reference.key,
            caption=reference.caption,
        )
        for ordinal, reference in enumerate(references, start=1)
    )
    return run


def retry_run(*, run: Run) -> Run:
    """A new run with the same wishes, on the references as they are now, with a hold of its own."""
    if not run.job.ended or run.job.state == Job.State.SUCCEEDED:
        raise Conflict("Only a training that failed or was cancelled can be tried again.", code="not_retryable")
    wishes = run.settings.get("wishes")  # of an earlier version there are none: the recipe holds
    return start_run(owner=run.job.owner, style=run.style, purpose=run.purpose, quality=run.quality, advanced=wishes)


@transaction.atomic
def choose_checkpoint(*, checkpoint: Checkpoint) -> Adapter:
    """Make the version what it was at this checkpoint, and use that version from now on."""
    run = Run.objects.select_related("job", "adapter").get(pk=checkpoint.run_id)
    style = Style.objects.select_for_update().get(pk=run.style_id)
    rules.may_work_with(style)
    if run.job.state != Job.State.SUCCEEDED:
        raise Conflict("Choose a checkpoint once the training has ended.", code="still_training")
    adapter = run.adapter
    style_actions.finish_adapter(
        adapter=adapter,
        key=checkpoint.key,
        sha256=checkpoint.sha256,
        bytes=checkpoint.bytes,
        loss=checkpoint.loss,
        steps=checkpoint.step,
    )
    run.checkpoints.update(picked=False)
    Checkpoint.objects.filter(pk=checkpoint.pk).update(picked=True)
    style.refresh_from_db()
    adapter.refresh_from_db()
    return adapter


def activate_version(*, style: Style, number: int) -> Adapter:
    """Use this version of the style for new pictures."""
    rules.may_work_with(style)
    adapter = style.adapters.filter(number=number).first()
    if adapter is None:
        raise Refusal(f"There is no version {number} of this style.", code="no_such_version", status=404)
    if adapter.state != Adapter.State.READY:
        raise Conflict(f"Version {number} has no finished weights.", code="version_not_ready")
    style_actions.activate_adapter(style=style, adapter=adapter)
    adapter.refresh_from_db()
    return adapter


def rename_version(*, adapter: Adapter, name: str) -> Adapter:
    """Give a version a word of the artist's own."""
    rules.may_work_with(adapter.style)
    name = " ".join(name.split())
    if len(name) > 80:
        raise Refusal("A version's name has at most 80 characters.", code="too_long", field="name")
    adapter.name = name
    adapter.save(update_fields=["name"])
    return adapter


def running_run(style: Style) -> Run | None:
    """The run that is queued or running for this style."""
    return Run.objects.filter(style=style, job__state__in=(Job.State.QUEUED, Job.State.RUNNING)).first()


def discard_files(run: Run) -> None:
    """Drop the weights and samples of a run that keeps nothing; the files go once the database agrees."""
    keys = [checkpoint.key for checkpoint in run.checkpoints.all()] + [sample.key for sample in run.samples.all()]
    keys.append(run.adapter.works_key)
    style_actions.keep_works(adapter=run.adapter, key="")
    run.samples.all().delete()
    run.checkpoints.all().delete()
    for key in keys:
        transaction.on_commit(partial(media.delete, key))


def forget_style(style: Style) -> None:
    """Nothing that was learned from a style outlives it: a run that goes on is cancelled, the files of others go."""
    for run in Run.objects.filter(style=style).select_related("job"):
        if run.job.ended:
            discard_files(run)
        else:
            lifecycle.request_cancel(job_id=run.job.pk)
