"""Where a tool's page is."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from gallery.models import Artwork
from generation.models import Output
from generation.tools import Tool, offered
from generation.tools.text_to_image import NAME


def address(tool: str, **query: str) -> str:
    """The tool's page, filled by `query`: source (an id), reuse (a request), style."""
    path = reverse("generation:create") if tool == NAME else reverse("generation:tool", args=[tool])
    said = urlencode({name: value for name, value in query.items() if value})
    return f"{path}?{said}" if said else path


def from_artwork(tool: Tool, artwork: Artwork) -> str:
    """Where this picture is worked on with the tool; "" where it is not on offer."""
    return address(tool.name, source=str(artwork.public_id)) if tool.offered() else ""


def again(artwork: Artwork) -> str:
    """Where the same is asked for once more, with the picture it began with; "" where that cannot be."""
    output = Output.objects.select_related("request").filter(artwork=artwork).first()
    tool = next((one for one in offered() if output and one.name == output.request.tool), None)
    return address(tool.name, reuse=str(output.request.public_id)) if output and tool else ""
