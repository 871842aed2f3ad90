"""The pages of a style: the list, a new one, and the references with their report."""

from __future__ import annotations

import datetime
import uuid
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from config.kit.errors import Refusal
from config.kit.rendering import page, page_of, toast
from styles import actions, fragments, queries, rules
from styles.erasing import STYLE_KEPT
from styles.models import Reference, Style
from styles.sheet import SHOWN, references_page

CARDS_A_PAGE = 24
_VERDICTS = "style_verdicts"  # in the session, between a plain form's upload and the page that follows


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _style(request: HttpRequest, style_id: uuid.UUID) -> Style:
    return get_object_or_404(
        Style.objects.owned_by(_user(request)).select_related("active_adapter"), public_id=style_id
    )


def _any_style(request: HttpRequest, style_id: uuid.UUID) -> Style:
    """A deleted one too."""
    return get_object_or_404(Style.objects.with_deleted().owned_by(_user(request)), public_id=style_id)


def _work(request: HttpRequest, style_id: uuid.UUID, work_id: uuid.UUID) -> Reference:
    return get_object_or_404(_style(request, style_id).references.all(), public_id=work_id)


def _to(style: Style) -> HttpResponseRedirect:
    return redirect("styles:detail", style.public_id)


# --- the list, and a new one -----------------------------------------------------------------------------------


@login_required
@require_safe
def style_list(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    shown = Paginator(Style.objects.owned_by(user).for_cards().order_by("-created_at", "-id"), CARDS_A_PAGE).get_page(
        request.GET.get("page")
    )
    context = {
        "page": shown,
        "cards": fragments.style_cards(user, shown),
        "deleted": queries.restorable(user),
        "just_deleted": request.GET.get("deleted", ""),
        "kept_days": STYLE_KEPT.days,
    }
    return render(request, "styles/style_list.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def new_style(request: HttpRequest) -> HttpResponse:
    kind = request.POST.get("kind") or request.GET.get("kind", "art")
    if kind not in actions.MAKEABLE:
        kind = "art"
    mistake: Refusal | None = None
    full: Refusal | None = None
    if request.method == "GET":
        full = rules.no_room(_user(request))
    else:
        try:
            style = actions.create_style(owner=_user(request), name=request.POST.get("name", ""), kind=kind)
        except Refusal as refusal:
            if _wants_json(request):
                told: dict[str, Any] = {"detail": refusal.say}
                if refusal.way_up:
                    way = refusal.way_up.back_to(page_of(request))
                    told["way"] = {"url": way.url, "label": way.label}
                return JsonResponse(told, status=refusal.status)
            mistake = refusal
        else:
            return _created(request, style)
    context = {
        "kind": kind,
        "needed": rules.MIN_REFERENCES(kind),
        "most": rules.MAX_REFERENCES(kind),
        "name": request.POST.get("name", ""),
        "mistake": mistake,
        "full": full,
    }
    return render(request, "styles/style_new.html", context, status=mistake.status if mistake else 200)


def _created(request: HttpRequest, style: Style) -> HttpResponse:
    """With a script the files follow one by one; without one they came along."""
    if _wants_json(request):
        return JsonResponse(
            {
                "upload_url": reverse("styles:add_works", args=[style.public_id]) + "?frame=alone",
                "next_url": reverse("styles:detail", args=[style.public_id]),
            },
            status=201,
        )
    if request.FILES.getlist("files"):
        return _add_all(request, style)
    return _to(style)


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


@login_required
@require_POST
def sample(request: HttpRequest) -> HttpResponse:
    return _to(actions.create_sample_style(owner=_user(request)))


# --- one style -------------------------------------------------------------------------------------------------


@login_required
@require_safe
def style_detail(request: HttpRequest, style_id: uuid.UUID) -> HttpResponse:
    style = _style(request, style_id)
    show = request.GET.get("show", "all")
    context = references_page(style, show=show if show in SHOWN else "all")
    if request.session.get(_VERDICTS, {}).get("style") == str(style_id):
        context |= request.session.pop(_VERDICTS) | {"style": style}
    return page(request, "styles/style_detail.html", context)


@login_required
@require_POST
def change(request: HttpRequest, style_id: uuid.UUID) -> HttpResponse:
    fields = {name: request.POST[name] for name in ("name", "description") if name in request.POST}
    style = actions.change_style(style=_style(request, style_id), user=_user(request), **fields)
    return _to(style)


@login_required
@require_POST
def delete(request: HttpRequest, style_id: uuid.UUID) -> HttpResponse:
    style = actions.delete_style(style=_style(request, style_id), actor=_user(request))
    return redirect(reverse("styles:list") + f"?deleted={style.public_id}")


@login_required
@require_POST
def restore(request: HttpRequest, style_id: uuid.UUID) -> HttpResponse:
    style = actions.restore_style(style=_any_style(request, style_id), actor=_user(request))
    messages.success(request, _("%(name)s is back.") % {"name": style.name})
    return _to(style)


@login_required
@require_POST
def use_instead(request: HttpRequest, style_id: uuid.UUID) -> HttpResponse:
    """Work with a read-only style, and let another one rest for it."""
    style = _style(request, style_id)
    resting = actions.use_instead(style=style)
    if resting:
        values = {"name": style.name, "other": resting.name}
        messages.success(request, _("%(name)s is in use now. %(other)s is read-only instead.") % values)
    return _to(style)


@login_required
@require_POST
def declare(request: HttpRequest, style_id: uuid.UUID) -> HttpResponse:
    style = _style(request, style_id)
    if not request.POST.get("declaration"):
        raise Refusal(_("Choose one of the two sentences."), code="declaration_missing", field="declaration")
    actions.declare(style=style, user=_user(request), choice=request.POST["declaration"])
    return _report_or_page(request, style)


@login_required
@require_POST
def consent(request: HttpRequest, style_id: uuid.UUID) -> HttpResponse:
    style = _style(request, style_id)
    try:
        expires_on = datetime.date.fromisoformat(request.POST.get("expires_on", ""))
    except ValueError as error:
        raise Refusal(_("Choose the day on which the consent ends."), code="bad_expiry", field="expires_on") from error
    actions.record_consent(
        style=style,
        user=_user(request),
        subject_name=request.POST.get("subject_name", ""),
        is_adult=request.POST.get("is_adult") == "yes",
        agreed=request.POST.get("agreed") == "yes",
        expires_on=expires_on,
    )
    return _report_or_page(request, style)


@login_required
@require_POST
def revoke_consent(request: HttpRequest, style_id: uuid.UUID) -> HttpResponse:
    style = _style(request, style_id)
    valid = queries.valid_consent(style)
    if valid is not None:
        actions.revoke_consent(consent=valid, actor=_user(request))
    return _report_or_page(request, style)


def _report_or_page(request: HttpRequest, style: Style) -> HttpResponse:
    if not getattr(request, "htmx", False):
        return _to(style)
    style.refresh_from_db()
    return HttpResponse(fragments.report(style) + fragments.tally(style))


# --- its works -------------------------------------------------------------------------------------------------


@login_required
@require_POST
def add_works(request: HttpRequest, style_id: uuid.UUID) -> HttpResponse:
    """One file from the dropzone is answered with its frame; a plain form's files with the page and a verdict each."""
    style = _style(request, style_id)
    if not getattr(request, "htmx", False):
        return _add_all(request, style)
    try:
        [verdict] = _add(request, style)
    except Refusal as refusal:
        return HttpResponse(refusal.say, content_type="text/plain; charset=utf-8", status=refusal.status)
    frame = fragments.verdict(verdict)
    if request.GET.get("frame") == "alone":  # the page of a new style shows neither report nor tally
        return HttpResponse(frame)
    style.refresh_from_db()
    return HttpResponse(frame + fragments.report(style, oob=True) + fragments.tally(style))


def _add_all(request: HttpRequest, style: Style) -> HttpResponse:
    """The verdicts are shown by the page that follows, so that loading it again sends nothing twice."""
    verdicts = _add(request, style)
    refused = [
        {"filename": verdict.filename, "say": verdict.say}
        for verdict in verdicts
        if isinstance(verdict, actions.Refused)
    ]
    request.session[_VERDICTS] = {
        "style": str(style.public_id),
        "refused": refused,
        "taken": len(verdicts) - len(refused),
    }
    return _to(style)


def _add(request: HttpRequest, style: Style) -> list[actions.Accepted | actions.Refused]:
    files = request.FILES.getlist("files")
    if not files:
        raise Refusal(_("Choose one or more pictures first."), code="no_files", field="files")
    rules.not_too_fast(_user(request), files=len(files))
    return actions.add_references(style=style, files=files)


@login_required
@require_http_methods(["GET", "POST"])
def work(request: HttpRequest, style_id: uuid.UUID, work_id: uuid.UUID) -> HttpResponse:
    """One work large, with its caption: a drawer beside the sheet, or a page of its own."""
    reference = _work(request, style_id, work_id)
    htmx = getattr(request, "htmx", False)
    if request.method == "GET":
        template = "styles/_work.html" if htmx else "styles/work_detail.html"
        return render(request, template, fragments.work_context(reference))
    actions.set_caption(reference=reference, caption=request.POST.get("caption", ""))
    following = queries.next_reference(reference) if "next" in request.POST else None
    if not htmx:
        return redirect("styles:work", style_id, following.public_id) if following else _to(reference.style)
    changed = fragments.reference_tile(reference, oob=True) + fragments.report(reference.style, oob=True)
    if following is None:
        return HttpResponse(changed)
    return HttpResponse(fragments.work_drawer(request, following) + changed)


@login_required
@require_POST
def remove_work(request: HttpRequest, style_id: uuid.UUID, work_id: uuid.UUID) -> HttpResponse:
    reference = actions.delete_reference(reference=_work(request, style_id, work_id))
    said = _("#%(n)d is removed.") % {"n": reference.position}
    style = _style(request, style_id)
    if not getattr(request, "htmx", False):
        messages.success(request, said)
        return _to(style)
    answer = HttpResponse(fragments.sheet(style, oob=True) + fragments.report(style, oob=True) + fragments.tally(style))
    return toast(answer, said, undo_url=reverse("styles:restore_work", args=[style_id, work_id]))


@login_required
@require_POST
def keep_work(request: HttpRequest, style_id: uuid.UUID, work_id: uuid.UUID) -> HttpResponse:
    """The artist says that a work belongs, although it stands apart."""
    reference = actions.keep_in_set(reference=_work(request, style_id, work_id))
    style = _style(request, style_id)
    said = _("#%(n)d stays, and is not remarked on again.") % {"n": reference.position}
    if not getattr(request, "htmx", False):
        messages.success(request, said)
        return _to(style)
    changed = fragments.reference_tile(reference, oob=True) + fragments.report(style, oob=True) + fragments.tally(style)
    return toast(HttpResponse(changed), said)


@login_required
@require_POST
def restore_work(request: HttpRequest, style_id: uuid.UUID, work_id: uuid.UUID) -> HttpResponse:
    style = _style(request, style_id)
    reference = get_object_or_404(Reference.objects.with_deleted().filter(style=style), public_id=work_id)
    actions.restore_reference(reference=reference)
    if not getattr(request, "htmx", False):
        return _to(style)
    style.refresh_from_db()
    return HttpResponse(fragments.sheet(style, oob=True) + fragments.report(style, oob=True) + fragments.tally(style))
