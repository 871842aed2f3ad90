"""The notice that a picture may be a copy: which of the artist's own works it comes nearest to."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from config.kit import media
from gallery.models import Artwork
from styles.models import Reference, Style


@dataclass(frozen=True)
class Nearest:
    """The work, or only the style that was learned from it where the work itself was removed since."""

    style: Style
    work: Reference | None

    @property
    def thumb(self) -> str:
        return media.signed_url(self.work.thumb_key) if self.work else ""

    @property
    def url(self) -> str:
        if self.work:
            return reverse("styles:work", args=[self.style.public_id, self.work.public_id])
        return reverse("styles:detail", args=[self.style.public_id])


def nearest(artwork: Artwork) -> Nearest | None:
    """What an artwork comes too near to; None where it was made freely, or was not held against any works.

    The engine names the style by the hash of its weights and the work by its number in the training; the version
    keeps the hashes of the works it was learned from in that order.
    """
    told = artwork.likeness
    if not told.get("near"):
        return None
    for link in artwork.style_links.all():
        if link.adapter and link.adapter.sha256 == told.get("style"):
            return Nearest(link.style, _work(link.style, link.adapter.reference_hashes, str(told.get("work", ""))))
    return None


def _work(style: Style, hashes: list[str], number: str) -> Reference | None:
    place = int(number) if number.isdecimal() else 0
    if not 1 <= place <= len(hashes):
        return None
    return style.references.filter(sha256=hashes[place - 1]).first()
