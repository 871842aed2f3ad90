"""What the house keeps about somebody, and what was done to their account."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts import audit
from accounts.views.answers import person
from config.kit.rendering import page

TEMPLATE = "accounts/data.html"
DEEDS_A_PAGE = 20


@require_safe
@login_required
def data_page(request: HttpRequest) -> HttpResponse:
    user = person(request)
    trail = Paginator(audit.trail_of(user), DEEDS_A_PAGE).get_page(request.GET.get("page"))
    context = {"trail": trail, "deeds": [audit.in_words(entry, seen_by=user) for entry in trail]}
    return page(request, TEMPLATE, context)
