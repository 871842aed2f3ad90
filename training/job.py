"""How a training goes through the GPU queue: what the engine gets, and what is kept of what it says."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from config.kit import media
from gpu.engine import contract
from gpu.kinds import JobKind, Receipt
from gpu.models import Job
from styles import actions as style_actions
from training import encodings, notices
from training.actions import KIND, discard_files
from training.models import Checkpoint, Metric, Run, Sample, Snapshot
from training.snapshots import step_of

SNAPSHOT_SECONDS = 30.0  # what a killed worker may cost at most, in seconds of training done twice


def run_of(job: Job) -> Run:
    return Run.objects.select_related("style", "adapter", "job").get(public_id=job.subject)


def snapshot_dir(job: Job) -> Path:
    return Path(settings.STATE_DIR) / "work" / str(job.public_id) / "snapshot"


def build_spec(job: Job, workdir: Path) -> contract.Spec:
    """Bring the references (and, on another machine, the snapshot) to this disk and say what is to be learned."""
    run = run_of(job)
    wanted = run.settings
    images = [
        contract.TrainingImage(
            id=str(reference.ordinal),
            path=str(
                media.fetch(reference.key, workdir / "images" / f"{reference.ordinal:03d}{Path(reference.key).suffix}")
            ),
            caption=reference.caption,
        )
        for reference in run.run_references.all()
    ]
    _restore_snapshot(run, job)
    _restore_checkpoints(run, workdir)
    encodings.tidy()
    return contract.TrainLoraSpec(
        base=wanted["base"],
        out_dir=str(workdir),
        snapshot_dir=str(snapshot_dir(job)),
        images=images,
        trigger_word=run.style.trigger_word,
        steps=wanted["steps"],
        checkpoint_steps=wanted["checkpoint_steps"],
        rank=wanted["rank"],
        alpha=wanted["alpha"],
        learning_rate=wanted["learning_rate"],
        batch=wanted["batch"],
        resolution=wanted["resolution"],
        optimizer=wanted["optimizer"],
        method=wanted["method"],
        # a run that was started by an earlier version has none of these
        **{name: wanted[name] for name in ("class_prompt", "prior_images", "held_out") if name in wanted},
        cache_dir=str(encodings.folder_of(run)),
        flip=wanted["flip"],
        seed=wanted["seed"],
        samples=[
            contract.SamplePrompt(prompt=f"{prompt}, {run.style.trigger_word}", seed=wanted["seed"] + number)
            for number, prompt in enumerate(wanted["prompts"])
        ],
        snapshot_every_seconds=SNAPSHOT_SECONDS,
        metadata={
            "ss_output_name": run.style.name,
            "modelspec.title": f"{run.style.name}, version {run.adapter.number}",
            "modelspec.trigger_phrase": run.style.trigger_word,
            "modelspec.author": run.job.owner.display_name,
        },
    )


def _restore_snapshot(run: Run, job: Job) -> None:
    """Put the recorded snapshot, and no other, where the engine looks.

    The recorded one was stored after every event before it, so that nothing the engine has left behind is missing in
    the database; one that only lies on the disk may know of a checkpoint that never arrived.
    """
    folder = snapshot_dir(job)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    kept = Snapshot.objects.filter(run=run).first()
    if kept is not None:
        media.fetch(kept.key, folder / Path(kept.key).name)


def _restore_checkpoints(run: Run, workdir: Path) -> None:
    """Put what an earlier attempt made where this one would have: the judging at the end compares them all."""
    for checkpoint in run.checkpoints.all():
        media.fetch(checkpoint.key, workdir / f"checkpoint-{checkpoint.step:05d}" / "lora.safetensors")
    for sample in run.samples.all():
        # a copy, never a link: the engine may paint this one anew
        target = workdir / f"checkpoint-{sample.step:05d}" / f"sample-{sample.prompt_no}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(media.read(sample.key))


def on_event(job: Job, event: contract.Event) -> None:
    """Keep what the engine made. Every branch may be repeated by a resumed run and then changes nothing."""
    run = run_of(job)
    match event:
        case contract.Metric():
            figures = {"loss": event.loss, "held_out": event.held_out}
            Metric.objects.update_or_create(run=run, step=event.step, defaults=figures)
        case contract.Sample():
            _keep_sample(run, event)
        case contract.Checkpoint():
            _keep_checkpoint(run, event)
        case contract.Snapshot():
            _keep_snapshot(run, job, event)
        case contract.Works():
            _keep_works(run, event)
        case contract.Verdict():
            _keep_verdict(run, event)
        case _:
            pass


def _keep_sample(run: Run, event: contract.Sample) -> None:
    key = f"runs/{run.public_id}/samples/{event.step:05d}-{event.prompt_no}.png"
    media.save(key, Path(event.path))
    Sample.objects.update_or_create(
        run=run,
        step=event.step,
        prompt_no=event.prompt_no,
        defaults={
            "checkpoint": run.checkpoints.filter(step=event.step).first(),
            "prompt": run.settings["prompts"][event.prompt_no],
            "seed": event.seed,
            "key": key,
        },
    )


def _keep_checkpoint(run: Run, event: contract.Checkpoint) -> None:
    key = f"runs/{run.public_id}/checkpoints/{event.ordinal:02d}-{event.sha256[:12]}.safetensors"
    media.save(key, Path(event.path))
    checkpoint, _ = Checkpoint.objects.update_or_create(
        run=run,
        ordinal=event.ordinal,
        defaults={
            "step": event.step,
            "loss": event.loss,
            "weight_norm": event.weight_norm,
            "key": key,
            "sha256": event.sha256,
            "bytes": event.bytes,
        },
    )
    run.samples.filter(step=event.step).update(checkpoint=checkpoint)


def _keep_snapshot(run: Run, job: Job, event: contract.Snapshot) -> None:
    """Only the latest is kept: one key, replaced whole.

    The engine may have replaced the file since it spoke. The newer one has an event of its own, behind those of the
    checkpoints that it knows of: it is kept when that event comes, not before.
    """
    content = Path(event.path).read_bytes()
    if step_of(content) != event.step:
        return
    key = f"runs/{run.public_id}/{Path(event.path).name}"
    media.save(key, content)
    Snapshot.objects.update_or_create(run=run, defaults={"step": event.step, "key": key, "fence": job.fence})


def _keep_works(run: Run, event: contract.Works) -> None:
    """What later pictures are held against. It belongs to the version, and goes with it."""
    key = f"runs/{run.public_id}/{Path(event.path).name}"
    media.save(key, Path(event.path))
    style_actions.keep_works(adapter=run.adapter, key=key)


def _keep_verdict(run: Run, event: contract.Verdict) -> None:
    run.checkpoints.update(score=None, likeness=None, following=None, leak=None, say="", finalist=None)
    for judged in event.judged:
        run.checkpoints.filter(step=judged.step).update(**judged.model_dump(exclude={"step"}))
    for place, step in enumerate(event.finalists, start=1):
        run.checkpoints.filter(step=step).update(finalist=place)
    Run.objects.filter(pk=run.pk).update(verdict=event.say)


def on_success(job: Job, done: contract.Done) -> int:
    """Take the checkpoint that the engine would take, else the last; what was finished is what is paid."""
    run = run_of(job)
    _forget_snapshot(run)
    kept = list(run.checkpoints.all())
    if not kept:
        # stopped before there was anything to keep: nothing is paid
        style_actions.fail_adapter(adapter=run.adapter, cancelled=True)
        notices.succeeded(run, job, checkpoints=0, cost=0)
        return 0
    best = next((checkpoint for checkpoint in kept if checkpoint.finalist == 1), kept[-1])
    Checkpoint.objects.filter(pk=best.pk).update(picked=True)
    style_actions.finish_adapter(
        adapter=run.adapter,
        key=best.key,
        sha256=best.sha256,
        bytes=best.bytes,
        loss=best.loss,
        steps=best.step,
    )
    cost = run.checkpoint_price * len(kept)
    notices.succeeded(run, job, checkpoints=len(kept), cost=cost)
    return cost


def receipt(job: Job) -> Receipt:
    """The checkpoints that were paid, one by one."""
    run = run_of(job)
    ordered, kept, each = len(run.settings["checkpoint_steps"]), list(run.checkpoints.all()), run.checkpoint_price
    return Receipt(
        say=f"Training {run.style.name} v{run.adapter.number}: {len(kept)} of {ordered} checkpoints",
        parts=[
            (f"checkpoint {checkpoint.ordinal} of {ordered}, step {checkpoint.step:,}", each) for checkpoint in kept
        ],
    )


def on_end(job: Job) -> None:
    """Failed or cancelled: nothing is kept, nothing is paid, and an earlier version stays in use."""
    run = run_of(job)
    _forget_snapshot(run)
    discard_files(run)
    cancelled = job.state == Job.State.CANCELLED
    style_actions.fail_adapter(adapter=run.adapter, cancelled=cancelled)
    if not cancelled:  # whoever cancels knows it
        notices.failed(run, job)


def _forget_snapshot(run: Run) -> None:
    kept = Snapshot.objects.filter(run=run).first()
    if kept is not None:
        key = kept.key
        kept.delete()
        transaction.on_commit(lambda: media.delete(key))


def render(job: Job) -> str:
    from training import fragments

    return fragments.run_live(run_of(job))


def describe(job: Job) -> tuple[str, str]:
    run = run_of(job)
    return f"{run.style.name} is learning", reverse("training:run", args=[run.style.public_id])


TRAIN_LORA = JobKind(
    name=KIND,
    build_spec=build_spec,
    on_event=on_event,
    on_success=on_success,
    on_end=on_end,
    receipt=receipt,
    render=render,
    render_preview=lambda job, step, webp: "",
    describe=describe,
    gives_way=True,
)
