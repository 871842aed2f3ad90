"""Pictures and films on a wall, rendered without a request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from gallery import addresses
from gallery.models import Artwork


def tile(artwork: Artwork, *, id: str = "", select: bool = False, eager: bool = False) -> SafeString:
    """One picture of the wall, `#artwork-<id>` unless another id is given."""
    context = {
        "artwork": artwork,
        "id": id or f"artwork-{artwork.public_id}",
        "src": addresses.thumb_url(artwork),
        "select": str(artwork.public_id) if select else "",
        "eager": eager,
        "caption": ", ".join(link.style.name for link in artwork.style_links.all()),
        "film": addresses.file_url(artwork) if artwork.is_film else "",
    }
    return render_to_string("gallery/_tile.html", context)


@dataclass(frozen=True)
class Thumb:
    """An artwork, small."""

    artwork: Artwork
    src: str


def thumbs(artworks: Iterable[Artwork]) -> list[Thumb]:
    return [Thumb(artwork, addresses.thumb_url(artwork)) for artwork in artworks]
