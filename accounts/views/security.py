"""How somebody signs in: their address, their password, connected accounts and the second step."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts.views.answers import person
from config.kit.rendering import page


@require_safe
@login_required
def security_page(request: HttpRequest) -> HttpResponse:
    user = person(request)
    connected = {account.provider: account for account in SocialAccount.objects.filter(user=user)}
    context = {
        "person": user,
        "providers": [
            {"name": provider.name, "account": connected.get(provider.id)}
            for provider in get_adapter().list_providers(request)
        ],
        "mfa": Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists(),
        "has_password": user.has_usable_password(),
    }
    return page(request, "accounts/security.html", context)
