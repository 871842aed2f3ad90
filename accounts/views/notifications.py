"""The bell's parts, the page of all notifications, what a person wants to hear of, and the way out of mails."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import bell, mails, notifications
from accounts.models import Notification
from accounts.views.answers import person, saved

PER_PAGE = 30
SETTINGS = "accounts/notifications.html"


@require_safe
@login_required
def all_notifications(request: HttpRequest) -> HttpResponse:
    """All of them, or (`?show=unread`) those that were not read yet."""
    only_unread = request.GET.get("show") == "unread"
    own = _own(request).order_by("-created_at", "-pk")
    unread = own.filter(read_at=None)
    page = Paginator(unread if only_unread else own, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "only_unread": only_unread,
        "unread": unread.count(),
        "query": "show=unread&" if only_unread else "",
    }
    return render(request, "accounts/notification_list.html", context)


@require_safe
@login_required
@never_cache
def bell_parts(request: HttpRequest) -> HttpResponse:
    """What the bell shows now, for a page whose socket was away."""
    return HttpResponse(bell.render(person(request)))


@require_safe
@login_required
@never_cache
def open_notification(request: HttpRequest, notification_id: UUID) -> HttpResponse:
    """To where it is about; having opened it is having read it. It may be followed twice and changes nothing more."""
    notification = get_object_or_404(_own(request).select_related("user"), public_id=notification_id)
    if request.method == "GET":
        notifications.read(notification=notification)
    ours = url_has_allowed_host_and_scheme(notification.url, allowed_hosts=None)
    return redirect(notification.url if notification.url and ours else "notifications:list")


@require_POST
@login_required
def read(request: HttpRequest, notification_id: UUID) -> HttpResponse:
    notification = get_object_or_404(_own(request).select_related("user"), public_id=notification_id)
    notifications.read(notification=notification)
    return _as_it_is(request, focus=notification_id)


@require_POST
@login_required
def read_all(request: HttpRequest) -> HttpResponse:
    notifications.read_all(user=person(request))
    return _as_it_is(request)


@require_safe
@login_required
def settings_page(request: HttpRequest) -> HttpResponse:
    return render(request, SETTINGS, _wishes(request))


@require_POST
@login_required
def save_settings(request: HttpRequest) -> HttpResponse:
    """The form sends every switch that is on; one that is off is simply not there."""
    for kind in _choosable():
        notifications.choose(
            user=person(request),
            kind=kind.name,
            bell=f"bell:{kind.name}" in request.POST,
            mail=f"mail:{kind.name}" in request.POST,
        )
    say = _("Saved. This is what you will hear of.")
    at = "accounts:notifications_settings"
    return saved(request, SETTINGS, _wishes(request), part="wishes", at=at, say=say)


@csrf_exempt  # a mail program posts here by itself (RFC 8058); the signed address is the proof
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """One click turns the mails of one kind off. Opening the address only asks: scanners of mails open everything."""
    found = mails.whose_unsubscribe(token)
    if found is None:
        raise Http404
    user, kind = found
    if request.method == "POST":
        notifications.choose(user=user, kind=kind.name, mail=False)
    done = not notifications.mailed(notifications.profile_of(user), kind)
    return render(request, "accounts/unsubscribe.html", {"kind": kind, "done": done})


def _own(request: HttpRequest) -> Any:
    return Notification.objects.filter(user=person(request))


def _as_it_is(request: HttpRequest, *, focus: UUID | None = None) -> HttpResponse:
    """The bell's parts for the panel; for a plain form the page it stood on."""
    if getattr(request, "htmx", False):
        return HttpResponse(bell.render(person(request), focus=focus))
    back = request.META.get("HTTP_REFERER", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return redirect(back)
    messages.success(request, _("Marked as read."))
    return redirect("notifications:list")


def _choosable() -> list[notifications.Kind]:
    return [kind for kind in notifications.kinds() if kind.listed and not (kind.binding or kind.staff)]


def _wishes(request: HttpRequest) -> dict[str, Any]:
    profile = notifications.profile_of(person(request))
    return {
        "choices": [
            {
                "kind": kind,
                "bell": notifications.rings(profile, kind),
                "mail": notifications.mailed(profile, kind),
            }
            for kind in _choosable()
        ],
        "binding": [kind for kind in notifications.kinds() if kind.listed and kind.binding and not kind.staff],
        "email": person(request).email,
    }
