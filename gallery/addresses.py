"""The one door through which files of artworks leave the house: the clean ones, or those with the plan's mark.

Nobody else signs an address of an artwork's file or answers with one. Inside the house (as the source of another
picture, for the worker) the master is used as it is.
"""

from __future__ import annotations

from billing import allowance
from config.kit import media
from gallery import marks
from gallery.models import Artwork


def is_marked(artwork: Artwork) -> bool:
    """Whether it leaves with the mark: as long as its owner's plan says so, whenever it was made."""
    return artwork.kind == Artwork.Kind.IMAGE and allowance.has_visible_mark(artwork.owner)


def file_key(artwork: Artwork) -> str:
    """Of the picture or film as it leaves; "" where its file is gone."""
    if not is_marked(artwork):
        return artwork.key
    try:
        return marks.marked_file(artwork)
    except FileNotFoundError:
        return ""  # never the clean one instead


def thumb_key(artwork: Artwork) -> str:
    if not is_marked(artwork):
        return artwork.thumb_key
    try:
        return marks.marked_thumb(artwork)
    except FileNotFoundError:
        return ""


def file_url(artwork: Artwork) -> str:
    """An address of the picture or film that works for some minutes."""
    return media.signed_url(file_key(artwork))


def download_url(artwork: Artwork) -> str:
    """The same as an attachment."""
    return media.signed_url(file_key(artwork), download=artwork.filename)


def thumb_url(artwork: Artwork) -> str:
    return media.signed_url(thumb_key(artwork))


def poster_url(artwork: Artwork) -> str:
    """A film's first frame; "" for a picture."""
    return media.signed_url(artwork.poster_key)
