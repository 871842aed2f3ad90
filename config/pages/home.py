"""The front page."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from billing.plans import FREE_CREDITS
from billing.showcase import columns
from gpu.engine.catalogue import describe


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """A visitor sees what this is; who is signed in goes to work."""
    if request.user.is_authenticated:
        return redirect("studio")
    context = {
        "base": describe(settings.BASE_MODEL),
        "free_credits": FREE_CREDITS,
        "plans": columns(None) if settings.BILLING else [],
    }
    return render(request, "pages/home.html", context)
