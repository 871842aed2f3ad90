"""The door of the staff's pages: a member of staff who used a second step in this session, and nobody else.

The admin's own sign-in page is not used: allauth's is, with its limits and its stages. A page outside the admin
asks `has_come_through(request)`, or stands behind `admin.site.admin_view`.
"""

from __future__ import annotations

from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.decorators import secure_admin_login
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

from accounts.models import User

SECOND_STEPS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


def has_come_through(request: HttpRequest) -> bool:
    """Staff, and here by a second step: a code or a passkey, at the sign-in or at this door."""
    user = request.user
    return isinstance(user, User) and user.is_active and user.is_staff and used_second_step(request, user)


def used_second_step(request: HttpRequest, user: User) -> bool:
    """In this session, and with something that the account still has."""
    used = {entry.get("id") for entry in get_authentication_records(request, user) if entry["method"] == "mfa"}
    return bool(used) and Authenticator.objects.filter(user=user, pk__in=used).exists()


class StaffSite(UnfoldAdminSite):  # type: ignore[misc]
    """The admin behind that door."""

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(super().has_permission(request)) and has_come_through(request)

    @method_decorator(never_cache)
    @method_decorator(secure_admin_login)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Where Django leads who may not enter; `secure_admin_login` has sent away who is nobody, or no staff."""
        wanted = _wanted(request)
        user = request.user
        if has_come_through(request):
            return HttpResponseRedirect(wanted)
        mfa = get_adapter()
        if mfa.is_mfa_enabled(user, [Authenticator.Type.TOTP]):
            return _to("mfa_reauthenticate", wanted)
        if mfa.is_mfa_enabled(user, [Authenticator.Type.WEBAUTHN]):
            return _to("mfa_reauthenticate_webauthn", wanted)
        messages.warning(request, _("The staff's pages open with a second step only. Set one up here, then go on."))
        return _to("mfa_index", wanted)


def _to(name: str, wanted: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse(name)}?{urlencode({REDIRECT_FIELD_NAME: wanted})}")


def _wanted(request: HttpRequest) -> str:
    wanted = request.GET.get(REDIRECT_FIELD_NAME, "")
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else reverse("admin:index")
