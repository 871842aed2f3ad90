"""What the shell of every page shows: who is here, their credits, and how this installation runs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    return {"billing_on": settings.BILLING, "public_url": settings.PUBLIC_URL}
