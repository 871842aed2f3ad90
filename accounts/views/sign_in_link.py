"""The one-time link that the terminal prints."""

from __future__ import annotations

from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import actions
from accounts.loopback import from_this_machine
from config.kit.errors import Refusal

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@require_GET
@never_cache
def use_link(request: HttpRequest, token: str) -> HttpResponse:
    """Signs in at once: whoever reads the terminal of this machine is its operator already."""
    if not from_this_machine(request):
        raise Http404
    user = actions.use_sign_in_link(plain=token)
    if user is None:
        raise Refusal(
            _("This sign-in link was used already, or its ten minutes are over. Print a new one in the terminal."),
            code="sign_in_link",
            status=410,
        )
    login(request, user, backend=BACKEND)
    return redirect("studio")
