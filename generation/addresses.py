"""Where a tool's page is."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from generation.tools.text_to_image import NAME


def address(tool: str, **query: str) -> str:
    """The tool's page, filled by `query`: source (an id), reuse (a request), style."""
    path = reverse("generation:create") if tool == NAME else reverse("generation:tool", args=[tool])
    said = urlencode({name: value for name, value in query.items() if value})
    return f"{path}?{said}" if said else path
