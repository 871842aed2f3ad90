"""Where a tool's page is."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from gallery.models import Artwork
from generation import sources, tools
from generation.models import Output
from generation.tools import Tool
from generation.tools.text_to_image import NAME

VARIED = 4  # pictures with other seeds, where the tool makes several


def address(tool: str, **query: str) -> str:
    """The tool's page, filled by `query`: source (an id), reuse (a request), style."""
    path = reverse("generation:create") if tool == NAME else reverse("generation:tool", args=[tool])
    said = urlencode({name: value for name, value in query.items() if value})
    return f"{path}?{said}" if said else path


def from_artwork(tool: Tool, artwork: Artwork) -> str:
    """Where this picture is worked on with the tool; "" where it is not on offer."""
    return address(tool.name, source=str(artwork.public_id)) if tool.offered() else ""


def price_from_artwork(tool: Tool, artwork: Artwork) -> int:
    """What one output costs there, as its page stands at first: the figure of the price list."""
    return tool.price


def again(artwork: Artwork) -> str:
    """Where the same is asked for once more, with the picture it began with; "" where that cannot be."""
    tool, output = _made_by(artwork)
    return address(tool.name, reuse=str(output.request.public_id)) if tool and output else ""


def recipe(artwork: Artwork) -> str:
    """Where this very picture is asked for, on the page of the tool that made it; "" where that cannot be."""
    tool, _output = _made_by(artwork)
    return address(tool.name, **{"from": str(artwork.public_id)}) if tool else ""


def others(artwork: Artwork) -> str:
    """Where its recipe is asked for with other seeds; "" where nothing is left to chance."""
    tool, _output = _made_by(artwork)
    varied = tool and {"count", "seed"} <= tool.shared
    return address(tool.name, **{"from": str(artwork.public_id)}, vary="1") if tool and varied else ""


def price_of_recipe(artwork: Artwork) -> int:
    """What one output costs where `recipe`, `others` and `again` lead to."""
    tool, output = _made_by(artwork)
    tool = tool or tools.get(NAME)
    return tool.unit_price(output.request.params if output else {})


def _made_by(artwork: Artwork) -> tuple[Tool | None, Output | None]:
    """The tool of an artwork, with what it was asked for; none where it is not on offer or has lost its source.

    An artwork whose request is unknown has words to begin with all the same.
    """
    output = Output.objects.select_related("request__source").filter(artwork=artwork).first()
    name = output.request.tool if output else NAME
    tool = next((one for one in tools.offered() if one.name == name), None)
    if output and tool and tool.needs_source and sources.of_request(output.request) is None:
        return None, output
    return tool, output
