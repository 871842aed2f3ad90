"""Trainings: written into a person's archive with their curves and samples, erased when the account closes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.exporting import Archive
from accounts.models import User
from config.kit import media
from training import encodings
from training.models import Run

SAY = "every training: its settings, the learning curve, samples on the way and the checkpoints that are kept"

RUNS, FILES = gettext_noop("trainings"), gettext_noop("checkpoints, samples and snapshots")  # of the receipt


def write(user: User, archive: Archive) -> None:
    for run in Run.objects.filter(style__owner=user).select_related("style", "adapter", "job").order_by("pk"):
        _write(run, archive)


def goes(user: User) -> str:
    count = Run.objects.filter(style__owner=user).count()
    return _("Your trainings (%(n)d), with curves, samples and checkpoints.") % {"n": count} if count else ""


def erase(user: User) -> Mapping[str, int]:
    """With everything that was learned on the way, and what this machine encoded to learn from."""
    counts = {RUNS: 0, FILES: 0}
    for run in Run.objects.filter(style__owner=user).select_related("style"):
        counts[RUNS] += 1
        counts[FILES] += media.delete_all(f"runs/{run.public_id}")
        encodings.forget(run.style)
        run.delete()
    return counts


def _write(run: Run, archive: Archive) -> None:
    folder = f"{run.created_at:%Y-%m-%d}-{run.style.name}-v{run.adapter.number}-{str(run.public_id)[:8]}"
    about = {"id": run.public_id, "style": run.style.public_id, "version": run.adapter.number, "state": run.job.state}
    fields = ("purpose", "quality", "settings", "verdict", "created_at")
    archive.data(f"{folder}/training.json", about | {field: getattr(run, field) for field in fields})
    references = run.run_references.values("ordinal", "sha256", "caption")
    archive.rows(f"{folder}/works.json", references.iterator())
    archive.rows(f"{folder}/curve.json", run.metrics.values("step", "loss", "held_out").iterator())
    archive.rows(f"{folder}/checkpoints.json", _checkpoints(run, archive, folder))
    archive.rows(f"{folder}/samples.json", _samples(run, archive, folder))


def _checkpoints(run: Run, archive: Archive, folder: str) -> Iterator[dict[str, Any]]:
    fields = ("ordinal", "step", "loss", "score", "likeness", "following", "leak", "say", "finalist", "picked")
    for checkpoint in run.checkpoints.iterator():
        # the one in the version lies with its style already
        name = f"{folder}/checkpoints/{checkpoint.ordinal:02d}.safetensors"
        kept = "" if checkpoint.key == run.adapter.key else archive.file(name, checkpoint.key)
        yield {"weights": kept} | {field: getattr(checkpoint, field) for field in fields}


def _samples(run: Run, archive: Archive, folder: str) -> Iterator[dict[str, Any]]:
    for sample in run.samples.iterator():
        name = f"{folder}/samples/{sample.step:05d}-{sample.prompt_no}.png"
        fields = ("step", "prompt_no", "prompt", "seed")
        yield {"file": archive.file(name, sample.key)} | {field: getattr(sample, field) for field in fields}
