"""How somebody signs in: their address, their password, connected accounts, the second step, and where they are in.

What must not be done by whoever sits down at an open screen stands behind allauth's decorator, which asks for the
password, the second step or the provider again:

    from allauth.account.decorators import reauthentication_required
"""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.reauthentication import resume_request
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import sessions
from accounts.adapters import came_by_provider_lately
from accounts.models import User
from accounts.views.answers import person
from config.kit.rendering import page


@require_safe
@login_required
def security_page(request: HttpRequest) -> HttpResponse:
    user = person(request)
    context = {
        "person": user,
        "providers": _providers(request, user),
        "steps": _steps(user),
        "has_password": user.has_usable_password(),
        "sessions": len(sessions.sessions_of(user)),
    }
    return page(request, "accounts/security.html", context)


# --- where they are signed in ---


@require_POST
@login_required
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    session = get_object_or_404(UserSession, pk=session_id, user=person(request))
    if session.session_key == request.session.session_key:
        return _leave(request)
    sessions.end_session(session=session, actor=person(request))
    messages.success(request, _("Signed out there."))
    return redirect("usersessions_list")


@require_POST
@login_required
def end_sessions(request: HttpRequest) -> HttpResponse:
    """All others; with `everywhere` this one, too."""
    ended = sessions.end_other_sessions(user=person(request), keep=request.session.session_key or "")
    if "everywhere" in request.POST:
        return _leave(request)
    said = ngettext("Signed out in %(n)d other place.", "Signed out in %(n)d other places.", ended) % {"n": ended}
    messages.success(request, said)
    return redirect("usersessions_list")


def _leave(request: HttpRequest) -> HttpResponse:
    UserSession.objects.filter(session_key=request.session.session_key).delete()
    logout(request)
    return redirect("account_login")


# --- it is still them: people who come by Google or Discord alone have no password to ask for ---


@require_safe
@login_required
@never_cache
def confirm_by_provider(request: HttpRequest) -> HttpResponse:
    """Leads to the provider, which asks them again, and from there to `confirmed_by_provider`."""
    wanted = get_next_redirect_url(request) or reverse("accounts:security")
    done = f"{reverse('accounts:confirmed_by_provider')}?{urlencode({'next': wanted})}"
    connected = [provider for provider in _providers(request, person(request)) if provider["account"]]
    return page(request, "accounts/confirm_by_provider.html", {"providers": connected, "done": done})


@require_safe
@login_required
@never_cache
def confirmed_by_provider(request: HttpRequest) -> HttpResponse:
    """Goes on with what was asked for, the form that was sent included."""
    if not came_by_provider_lately(request):
        return redirect("accounts:confirm_by_provider")
    response: HttpResponse | None = resume_request(request)
    return response or redirect("accounts:security")


def _providers(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    connected = {account.provider: account for account in SocialAccount.objects.filter(user=user)}
    configured = get_adapter().list_providers(request)
    return [{"provider": one, "name": one.name, "account": connected.get(one.id)} for one in configured]


def _steps(user: User) -> dict[str, int]:
    """How many of each kind of second step somebody has, and how many recovery codes are left."""
    steps = {"totp": 0, "webauthn": 0, "codes": 0}
    for authenticator in Authenticator.objects.filter(user=user):
        if authenticator.type == Authenticator.Type.RECOVERY_CODES:
            steps["codes"] = len(authenticator.wrap().get_unused_codes())
        else:
            steps[authenticator.type] += 1
    return steps
