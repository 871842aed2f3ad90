"""The one-time link that the terminal prints."""

from __future__ import annotations

from allauth.account.app_settings import EmailVerificationMethod
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import actions, audit
from accounts.loopback import from_this_machine
from config.kit.errors import Refusal


@require_GET
@never_cache
def use_link(request: HttpRequest, token: str) -> HttpResponse:
    """Whoever reads the terminal of this machine is its operator already; a second step is asked for all the same."""
    if not from_this_machine(request):
        raise Http404
    user = actions.use_sign_in_link(plain=token)
    if user is None:
        raise Refusal(
            _("This sign-in link was used already, or its ten minutes are over. Print a new one in the terminal."),
            code="sign_in_link",
            status=410,
        )
    audit.record(actor=user, verb="sign_in.link", target_kind="user", target=user.public_id)
    record_authentication(request, user, method="link")
    response: HttpResponse = perform_login(
        request,
        user,
        email_verification=EmailVerificationMethod.NONE,  # the operator vouches for the address
        redirect_url=reverse("studio"),
    )
    return response
