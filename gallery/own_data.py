"""Pictures and films: written into a person's archive, private when their account closes, erased at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from accounts.exporting import Archive
from accounts.models import User
from config.kit import media
from gallery import addresses
from gallery.models import Artwork

SAY = "every picture and film at full size, with its recipe; what was deleted less than thirty days ago, too"

AT_ONCE = 200
PICTURES, FILMS = gettext_noop("pictures"), gettext_noop("films")  # of the receipt
DEEDS = {
    "artwork.take_down": gettext_lazy("Picture taken down"),
    "artwork.hang_again": gettext_lazy("Picture hung up again"),
}


def ids(user: User) -> QuerySet[Artwork, Any]:
    return Artwork.objects.filter(owner=user).values("public_id")


def write(user: User, archive: Archive) -> None:
    archive.rows("artworks.json", _rows(user, archive))


def goes(user: User) -> str:
    made = Artwork.objects.filter(owner=user)
    films = made.filter(kind=Artwork.Kind.VIDEO).count()
    pictures = made.count() - films
    if not pictures and not films:
        return ""
    say = _("Your pictures (%(pictures)d) and films (%(films)d), with their recipes.")
    return say % {"pictures": pictures, "films": films}


def stop(user: User) -> None:
    Artwork.objects.filter(owner=user).update(visibility=Artwork.Visibility.PRIVATE)


def erase(user: User) -> Mapping[str, int]:
    """One after another, files first: whoever is stopped in the middle goes on where it was."""
    counts = {PICTURES: 0, FILMS: 0}
    for artwork in Artwork.objects.filter(owner=user).iterator():
        for key in artwork.keys:
            media.delete(key)
        artwork.delete()
        counts[FILMS if artwork.is_film else PICTURES] += 1
    return counts


def _rows(user: User, archive: Archive) -> Iterator[dict[str, Any]]:
    fields: tuple[str, ...] = (
        "kind",
        "width",
        "height",
        "seconds",
        "prompt",
        "alt_text",
        "seed",
        "recipe",
        "likeness",
        "visibility",
        "favourite",
        "created_at",
        "deleted_at",
    )
    artworks = Artwork.objects.filter(owner=user).select_related("parent", "owner__entitlement")
    for artwork in artworks.prefetch_related("style_links__style").order_by("pk").iterator(chunk_size=AT_ONCE):
        name = f"{artwork.created_at:%Y-%m-%d}-{artwork.filename}"
        row = {"id": artwork.public_id, "file": _put(archive, name, addresses.file_key(artwork))}
        if artwork.poster_key:
            row["poster"] = archive.file(f"{PurePath(name).stem}-poster.png", artwork.poster_key)
        row |= {field: getattr(artwork, field) for field in fields}
        row["made_from"] = artwork.parent.public_id if artwork.parent else None
        row["styles"] = [
            {"id": link.style.public_id, "name": link.style.name, "weight": link.weight}
            for link in artwork.style_links.all()
        ]
        yield row


def _put(archive: Archive, name: str, key: str) -> str:
    if not key:  # the file that may leave could not be made, for its master is gone
        archive.miss(name)
    return archive.file(name, key)
