"""The studio: running jobs first, then styles, then the latest pictures."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_required
def studio(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/studio.html")
