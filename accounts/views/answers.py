"""What the pages of the settings have in common: whose they are, and how they answer when something is saved."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.models import User
from config.kit.rendering import page, toast


def person(request: HttpRequest) -> User:
    """Whose settings these are; every view here stands behind `login_required`."""
    assert isinstance(request.user, User)
    return request.user


def saved(
    request: HttpRequest, template: str, context: dict[str, Any], *, part: str, at: str, say: str
) -> HttpResponse:
    """The saved group and a toast for HTMX; for a plain form its page (`at`, a route's name) again, at its group."""
    if getattr(request, "htmx", False):
        return toast(page(request, template, context, part=part), say)
    messages.success(request, say)
    return redirect(f"{reverse(at)}#{part}")
