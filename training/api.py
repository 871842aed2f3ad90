"""Training and versions through the public API."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status

from accounts.idempotency import idempotent
from config.kit import media
from gpu import lifecycle
from gpu.api import JobOut, job_out
from styles.models import Adapter, Style
from styles.weights import download_url
from training import actions, queries
from training.models import Run

router = Router(tags=["training"])


class Advanced(Schema):
    steps: int | None = None
    rank: int | None = None
    learning_rate: float | None = None
    resolution: int | None = None
    batch: int | None = None
    optimizer: str | None = None
    method: str | None = None


class TrainIn(Schema):
    purpose: Literal["style", "person", "character"] = "style"
    quality: Literal["quick", "standard", "fine"] = "quick"
    advanced: Advanced | None = None


class TrainOut(Schema):
    job: JobOut
    price: int
    minutes: int
    version: int


class CheckpointOut(Schema):
    """`score` is likeness × following × (1 − leak), each from 0 to 1 and null where nothing was judged.

    `finalist` is its place among the three, from 1; `picked` is the one in the version.
    """

    step: int
    loss: float
    score: float | None
    likeness: float | None
    following: float | None
    leak: float | None
    say: str
    finalist: int | None
    picked: bool
    sample_urls: list[str]


class SampleOut(Schema):
    step: int
    prompt: str
    seed: int
    url: str


class ErrorOut(Schema):
    code: str
    say: str


class TrainingOut(Schema):
    state: str
    phase: str
    progress: float
    step: int
    steps: int
    eta_seconds: float | None
    loss: float | None
    checkpoints: list[CheckpointOut]
    samples: list[SampleOut]
    verdict: str  # why the engine would take the first finalist; empty before it is judged
    error: ErrorOut | None
    job: JobOut
    version: int


class VersionOut(Schema):
    number: int
    name: str
    active: bool
    base: str
    steps: int
    rank: int
    loss: float | None
    created_at: datetime
    checkpoints: list[CheckpointOut]
    weights_url: str
    sha256: str


class VersionList(Schema):
    items: list[VersionOut]


def _style(request: HttpRequest, style_id: UUID) -> Style:
    return get_object_or_404(Style.objects.owned_by(request.auth), public_id=style_id)  # type: ignore[attr-defined]


def _checkpoints(run: Run) -> list[CheckpointOut]:
    return [
        CheckpointOut(
            step=checkpoint.step,
            loss=checkpoint.loss,
            score=checkpoint.score,
            likeness=checkpoint.likeness,
            following=checkpoint.following,
            leak=checkpoint.leak,
            say=checkpoint.say,
            finalist=checkpoint.finalist,
            picked=checkpoint.picked,
            sample_urls=[media.signed_url(sample.key) for sample in checkpoint.samples.all()],
        )
        for checkpoint in run.checkpoints.prefetch_related("samples")
    ]


def training_out(run: Run) -> TrainingOut:
    job = run.job
    last = run.metrics.last()
    return TrainingOut(
        state=job.state,
        phase=job.phase,
        progress=job.progress,
        step=job.step,
        steps=run.settings["steps"],
        eta_seconds=job.eta_seconds,
        loss=last.loss if last else None,
        checkpoints=_checkpoints(run),
        samples=[
            SampleOut(step=sample.step, prompt=sample.prompt, seed=sample.seed, url=media.signed_url(sample.key))
            for sample in run.samples.all()
        ],
        verdict=run.verdict,
        error=ErrorOut(code=job.error_code, say=job.error_say) if job.error_code else None,
        job=job_out(job),
        version=run.adapter.number,
    )


def _started(run: Run) -> TrainOut:
    minutes = max(1, round(run.settings["seconds"] / 60))
    return TrainOut(job=job_out(run.job), price=run.job.price, minutes=minutes, version=run.adapter.number)


def version_out(style: Style, adapter: Adapter) -> VersionOut:
    run = Run.objects.filter(adapter=adapter).first()
    return VersionOut(
        number=adapter.number,
        name=adapter.name,
        active=style.active_adapter_id == adapter.pk,
        base=adapter.base,
        steps=adapter.steps,
        rank=adapter.rank,
        loss=adapter.loss,
        created_at=adapter.created_at,
        checkpoints=_checkpoints(run) if run else [],
        weights_url=f"/api/v1/styles/{style.public_id}/versions/{adapter.number}/weights",
        sha256=adapter.sha256,
    )


@router.post("/styles/{uuid:style_id}/train", response={202: TrainOut})
@idempotent
def train(request: HttpRequest, style_id: UUID, payload: TrainIn) -> Status[TrainOut]:
    """Start learning. The credits are held now and captured for each finished checkpoint at the end."""
    style = _style(request, style_id)
    run = actions.start_run(
        owner=style.owner,
        style=style,
        purpose=payload.purpose,
        quality=payload.quality,
        advanced=payload.advanced.dict(exclude_none=True) if payload.advanced else None,
    )
    return Status(202, _started(run))


@router.get("/styles/{uuid:style_id}/training", response=TrainingOut)
def training(request: HttpRequest, style_id: UUID) -> TrainingOut:
    """The latest training of this style, running or ended."""
    return training_out(_latest(request, style_id))


@router.delete("/styles/{uuid:style_id}/training", response=TrainingOut)
def end_training(request: HttpRequest, style_id: UUID, keep: bool = False) -> TrainingOut:
    """Cancel and pay nothing; with `keep` stop instead and keep (and pay) the checkpoints that are finished."""
    run = _latest(request, style_id)
    if keep:
        lifecycle.request_stop(job_id=run.job.pk)
    else:
        lifecycle.request_cancel(job_id=run.job.pk)
    run.job.refresh_from_db()
    return training_out(run)


@router.post("/styles/{uuid:style_id}/training/retry", response={202: TrainOut})
@idempotent
def retry(request: HttpRequest, style_id: UUID) -> Status[TrainOut]:
    """Try a failed or cancelled training again, with a hold of its own."""
    run = actions.retry_run(run=_latest(request, style_id))
    return Status(202, _started(run))


@router.get("/styles/{uuid:style_id}/versions", response=VersionList)
def versions(request: HttpRequest, style_id: UUID) -> VersionList:
    style = _style(request, style_id)
    ready = queries.versions(style).filter(state=Adapter.State.READY)
    return VersionList(items=[version_out(style, adapter) for adapter in ready])


@router.post("/styles/{uuid:style_id}/training/checkpoints/{int:step}/choose", response=VersionOut)
def choose(request: HttpRequest, style_id: UUID, step: int) -> VersionOut:
    """Make the latest version what it was at this checkpoint, and use it from now on."""
    checkpoint = get_object_or_404(_latest(request, style_id).checkpoints, step=step)
    adapter = actions.choose_checkpoint(checkpoint=checkpoint)
    return version_out(_style(request, style_id), adapter)


@router.post("/styles/{uuid:style_id}/versions/{int:number}/activate", response=VersionOut)
def activate(request: HttpRequest, style_id: UUID, number: int) -> VersionOut:
    style = _style(request, style_id)
    adapter = actions.activate_version(style=style, number=number)
    style.refresh_from_db()
    return version_out(style, adapter)


@router.get("/styles/{uuid:style_id}/versions/{int:number}/weights", response={302: None})
def weights(request: HttpRequest, style_id: UUID, number: int, format: str = "") -> HttpResponseRedirect:
    """The LoRA as one `.safetensors`. `format` is `kohya` or `diffusers`; diffusers loads both."""
    style = _style(request, style_id)
    adapter = get_object_or_404(style.adapters, number=number, state=Adapter.State.READY)
    return HttpResponseRedirect(download_url(adapter, wanted=format))


def _latest(request: HttpRequest, style_id: UUID) -> Run:
    style = _style(request, style_id)
    run = queries.latest_run(style)
    if run is None:
        raise Http404
    return run
