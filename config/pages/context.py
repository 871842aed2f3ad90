"""What the shell of every page shows: who is here, their credits, and the work that runs now."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts import avatars, bell
from accounts.closing import closing_of
from accounts.models import Profile, User
from billing.allowance import allowance_of
from billing.models import CreditAccount
from billing.payments.showing import overdue
from gpu.fragments import running_facts


def shell(request: HttpRequest) -> dict[str, Any]:
    """Looked up only where a template asks, so that a fragment costs no query for a bar it does not show."""
    user = getattr(request, "user", None)
    if not isinstance(user, User) or not user.is_authenticated:
        return {"billing_on": settings.BILLING, "shell": {"theme": "dark"}}
    person: User = user
    return {"billing_on": settings.BILLING, "shell": SimpleLazyObject(lambda: _shell_of(person))}


def _shell_of(user: User) -> dict[str, Any]:
    profile = Profile.objects.filter(user=user).first()
    return {
        "theme": profile.theme if profile else Profile.Theme.DARK,
        "name": user.display_name,
        "handle": user.handle,
        "plan": allowance_of(user).name,
        "closing": closing_of(user),
        "avatar_url": avatars.url_of(profile),
        "available": available(user),
        "running": running_facts(user),
        "overdue": settings.BILLING and overdue(user),
        "bell": bell.facts(user),
    }


def available(user: User) -> int | None:
    """Credits to spend; nothing at home, where they never block."""
    if not settings.BILLING:
        return None
    account = CreditAccount.objects.filter(user=user).first()
    return account.available if account else 0
