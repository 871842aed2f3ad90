"""The training and the versions of a style, on pages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from billing import ledger
from config.kit import media
from config.kit.errors import Refusal
from config.kit.rendering import page
from gpu import lifecycle
from gpu.engine.catalogue import describe
from styles import rules
from styles.models import Adapter, Style
from styles.weights import download_url
from training import actions, fragments, presets, queries
from training.forms import TrainForm
from training.models import Checkpoint, Run


def _owner(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _style(request: HttpRequest, style_id: UUID) -> Style:
    return get_object_or_404(Style.objects.owned_by(_owner(request)), public_id=style_id)


def _run(request: HttpRequest, run_id: UUID) -> Run:
    runs = Run.objects.select_related("job", "style", "adapter")
    return get_object_or_404(runs.filter(style__in=Style.objects.owned_by(_owner(request))), public_id=run_id)


@require_safe
@login_required
def run_page(request: HttpRequest, style_id: UUID) -> HttpResponse:
    """The running training; else the last one with the form for the next."""
    style = _style(request, style_id)
    run = queries.latest_run(style)
    context: dict[str, Any] = {"style": style, "tab": "training", "run": run}
    if run is not None:
        context |= _run_context(run)
    if run is None or run.job.ended:
        context |= _form_context(
            style, TrainForm(initial={"purpose": style.kind if style.kind in ("person", "character") else "style"})
        )
    return render(request, "training/run_detail.html", context)


def _run_context(run: Run) -> dict[str, Any]:
    references = [row.reference for row in run.run_references.select_related("reference") if row.reference][:3]
    works = [{"url": media.signed_url(one.thumb_key), "number": one.position} for one in references]
    return (
        fragments.status_context(run)
        | {"stops": fragments.stops_context(run), "loss": fragments.loss_context(run)}
        | {"list": fragments.checkpoints_context(run), "works": works}
    )


def _form_context(style: Style, form: TrainForm) -> dict[str, Any]:
    purpose, quality, advanced = "style", "quick", {}
    if form.is_bound and form.is_valid():
        purpose, quality = form.cleaned_data["purpose"], form.cleaned_data["quality"]
        advanced = form.advanced()
    elif not form.is_bound:
        purpose = form.initial["purpose"]
    captions = list(style.references.values_list("caption", flat=True))
    images = len(captions)
    hindrance: Refusal | None = None
    try:
        rules.may_work_with(style)
        rules.ready_to_train(style, purpose=purpose)
    except Refusal as refusal:
        hindrance = refusal
    offer_error = ""
    try:
        chosen = presets.plan(images=images, purpose=purpose, quality=quality, advanced=advanced, captions=captions)
    except Refusal as refusal:
        offer_error = refusal.say
        chosen = presets.plan(images=images, purpose=purpose, quality=quality)
    return {
        "form": form,
        "offers": presets.offers(images=images, purpose=chosen.purpose),
        "chosen": chosen,
        "offer_error": offer_error,
        "hindrance": hindrance,
        "short": None if hindrance else ledger.shortfall(user=style.owner, price=chosen.price),
        "base": describe(settings.BASE_MODEL),
    }


@require_safe
@login_required
def offer(request: HttpRequest, style_id: UUID) -> HttpResponse:
    """Price, minutes and how often each image is seen, for what is chosen just now."""
    style = _style(request, style_id)
    form = TrainForm(request.GET)
    return page(request, "training/_offer.html", {"style": style} | _form_context(style, form))


@require_POST
@login_required
def start(request: HttpRequest, style_id: UUID) -> HttpResponse:
    style = _style(request, style_id)
    form = TrainForm(request.POST)
    if not form.is_valid():
        context = {"style": style, "tab": "training", "run": None} | _form_context(style, form)
        return render(request, "training/run_detail.html", context, status=422)
    actions.start_run(
        owner=_owner(request),
        style=style,
        purpose=form.cleaned_data["purpose"],
        quality=form.cleaned_data["quality"],
        advanced=form.advanced(),
    )
    return redirect("training:run", style.public_id)


PARTS = {
    "live": ("training/_live.html", fragments.status_context),
    "stops": ("training/_stops.html", fragments.stops_context),
    "loss": ("training/_loss.html", fragments.loss_context),
    "checkpoints": ("training/_checkpoints.html", fragments.checkpoints_context),
}


@require_safe
@login_required
def run_part(request: HttpRequest, run_id: UUID, part: str) -> HttpResponse:
    """One part of the live page, for catching up and for polling."""
    if part not in PARTS:
        raise Http404
    template, context = PARTS[part]
    return render(request, template, context(_run(request, run_id)))


@require_POST
@login_required
def stop(request: HttpRequest, run_id: UUID) -> HttpResponse:
    run = _run(request, run_id)
    if not lifecycle.request_stop(job_id=run.job.pk):
        messages.info(request, _("This training had ended already."))
    return redirect("training:run", run.style.public_id)


@require_POST
@login_required
def cancel(request: HttpRequest, run_id: UUID) -> HttpResponse:
    run = _run(request, run_id)
    if not lifecycle.request_cancel(job_id=run.job.pk):
        messages.info(request, _("This training had ended already."))
    return redirect("training:run", run.style.public_id)


@require_POST
@login_required
def retry(request: HttpRequest, run_id: UUID) -> HttpResponse:
    run = actions.retry_run(run=_run(request, run_id))
    return redirect("training:run", run.style.public_id)


@require_safe
@login_required
def versions(request: HttpRequest, style_id: UUID) -> HttpResponse:
    style = _style(request, style_id)
    adapters = list(queries.versions(style))
    runs = {run.adapter_id: run for run in Run.objects.filter(adapter__in=adapters).select_related("job")}
    newest = next((runs[one.pk] for one in adapters if one.state == Adapter.State.READY and one.pk in runs), None)
    context = {
        "style": style,
        "tab": "versions",
        "rows": [{"adapter": one, "active": one.pk == style.active_adapter_id} for one in adapters],
        "compared": fragments.finalists_context(newest) if newest and newest.checkpoints.exists() else None,
        "comparable": [one for one in adapters if one.state == Adapter.State.READY and one.pk in runs],
    }
    return render(request, "training/version_list.html", context)


@require_safe
@login_required
def compare(request: HttpRequest, style_id: UUID) -> HttpResponse:
    """Two versions at the same prompts and seeds. Without a choice the two newest."""
    style = _style(request, style_id)
    ready = style.adapters.filter(state=Adapter.State.READY, run__isnull=False).order_by("-number")
    numbers = list(ready.values_list("number", flat=True))
    if len(numbers) < 2:
        messages.info(request, _("There are no two versions to compare yet."))
        return redirect("training:versions", style.public_id)
    left, right = (_number(request, name, among=numbers, default=numbers[n]) for name, n in (("a", 1), ("b", 0)))
    runs = {run.adapter.number: run for run in Run.objects.filter(style=style).select_related("adapter")}
    context = {"style": style, "tab": "versions", "numbers": numbers}
    return render(
        request, "training/version_compare.html", context | fragments.comparison_context(runs[left], runs[right])
    )


def _number(request: HttpRequest, name: str, *, among: list[int], default: int) -> int:
    asked = request.GET.get(name, "")
    return int(asked) if asked.isascii() and asked.isdigit() and int(asked) in among else default


@require_POST
@login_required
def activate(request: HttpRequest, style_id: UUID, number: int) -> HttpResponse:
    style = _style(request, style_id)
    adapter = actions.activate_version(style=style, number=number)
    messages.success(request, _("Version %(n)s is in use now.") % {"n": adapter.number})
    return redirect("training:versions", style.public_id)


@require_POST
@login_required
def rename(request: HttpRequest, style_id: UUID, number: int) -> HttpResponse:
    style = _style(request, style_id)
    adapter = get_object_or_404(style.adapters, number=number)
    actions.rename_version(adapter=adapter, name=request.POST.get("name", ""))
    return redirect("training:versions", style.public_id)


@require_safe
@login_required
def weights(request: HttpRequest, style_id: UUID, number: int) -> HttpResponse:
    """The LoRA as a file for other tools, in the spelling that `format` asks for."""
    style = _style(request, style_id)
    adapter = get_object_or_404(style.adapters, number=number, state=Adapter.State.READY)
    return HttpResponseRedirect(download_url(adapter, wanted=request.GET.get("format", "")))


@require_POST
@login_required
def choose(request: HttpRequest, checkpoint_id: UUID) -> HttpResponse:
    own = Checkpoint.objects.filter(run__style__in=Style.objects.owned_by(_owner(request)))
    checkpoint = get_object_or_404(own.select_related("run__job", "run__adapter"), public_id=checkpoint_id)
    adapter = actions.choose_checkpoint(checkpoint=checkpoint)
    messages.success(
        request,
        _("Version %(n)s now stands at step %(step)s.") % {"n": adapter.number, "step": f"{checkpoint.step:,}"},
    )
    return redirect("training:versions", checkpoint.run.style.public_id)
