"""What the house keeps about somebody: taking it along, closing the account, and what was done to it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts import audit, closing, exporting
from accounts.models import DataExport
from accounts.views.answers import person
from config.kit import media
from config.kit.errors import Refusal
from config.kit.rendering import page

TEMPLATE = "accounts/data.html"
DEEDS_A_PAGE = 20


@require_safe
@login_required
@never_cache
def data_page(request: HttpRequest) -> HttpResponse:
    return page(request, TEMPLATE, _context(request))


@require_safe
@login_required
@never_cache
def export_part(request: HttpRequest) -> HttpResponse:
    """How far the archive is: asked for again and again while it is made."""
    return page(request, TEMPLATE, _context(request), part="export")


@require_POST
@login_required
@reauthentication_required  # type: ignore[untyped-decorator]
def ask_export(request: HttpRequest) -> HttpResponse:
    try:
        exporting.ask(user=person(request))
    except Refusal as refusal:
        messages.error(request, refusal.say)
    return redirect(reverse("accounts:data") + "#export")


@require_GET
@login_required
@never_cache
def download_export(request: HttpRequest, export_id: UUID) -> HttpResponse:
    """Nobody confirms anything for what is not theirs: for them it does not exist."""
    export = get_object_or_404(person(request).exports, public_id=export_id, state=DataExport.State.READY)
    answer: HttpResponse = _to_the_file(request, export)
    return answer


@reauthentication_required  # type: ignore[untyped-decorator]
def _to_the_file(request: HttpRequest, export: DataExport) -> HttpResponse:
    """At an address that works for minutes."""
    audit.record(actor=export.user, verb="export.download", target_kind="user", target=export.user.public_id)
    return redirect(media.signed_url(export.key, download=f"artistcloner-{export.ready_at:%Y-%m-%d}.zip"))


@require_POST
@login_required
@reauthentication_required  # type: ignore[untyped-decorator]
def close_account(request: HttpRequest) -> HttpResponse:
    try:
        closing.ask(user=person(request), typed=request.POST.get("typed", ""))
    except Refusal as refusal:
        return page(request, TEMPLATE, _context(request) | {"closing_error": refusal.say}, status=refusal.status)
    return redirect(reverse("accounts:data") + "#closing")


@require_POST
@login_required
def keep_account(request: HttpRequest) -> HttpResponse:
    if closing.take_back(user=person(request)):
        messages.success(request, _("Your account stays. What was stopped has to be set anew."))
    return redirect(reverse("accounts:data") + "#closing")


def _context(request: HttpRequest) -> dict[str, Any]:
    user = person(request)
    trail = Paginator(audit.trail_of(user), DEEDS_A_PAGE).get_page(request.GET.get("page"))
    return {
        "person": user,
        "export": exporting.latest(user),
        "export_days": exporting.EXPORT_LASTS.days,
        "closing": closing.closing_of(user),
        "grace_days": closing.GRACE.days,
        "goes": closing.what_goes(user),
        "trail": trail,
        "deeds": [audit.in_words(entry, seen_by=user) for entry in trail],
    }
