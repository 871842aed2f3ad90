"""Everything that changes the gallery."""

from __future__ import annotations

import datetime
import hashlib
import uuid
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from config.kit import media, pictures
from config.kit.text import one_line
from gallery import addresses, boxes, marks
from gallery import recipe as recipes
from gallery.models import SUFFIXES, Artwork, ArtworkStyle
from styles.models import Adapter, Style

MAX_ALT_TEXT = 500
KEPT_AFTER_DELETION = datetime.timedelta(days=30)  # as long as a deletion can be undone

Mix = list[tuple[Style, Adapter | None, float]]


def publish(
    *,
    owner: User,
    job: uuid.UUID,
    file: Path,
    prompt: str,
    seed: int,
    recipe: dict[str, Any],
    styles: Mix,
    parent: Artwork | None = None,
    kind: str = Artwork.Kind.IMAGE,
    poster: Path | None = None,
    seconds: float | None = None,
    likeness: dict[str, Any] | None = None,
) -> Artwork:
    """Hang what is finished. Called in the transaction in which its job succeeds; a second call finds the first's.

    A film comes with its poster, a PNG of the same size, which stands for it on walls. The keys come from the job
    alone: a second attempt writes over the first, so no file is ever stored twice.
    """
    if published := Artwork.objects.filter(job=job).first():
        return published
    film = kind == Artwork.Kind.VIDEO
    if film != (poster is not None):
        raise ValueError("a film has a poster, and nothing else has one")
    still = recipes.embedded((poster or file).read_bytes(), recipe)
    facts = pictures.facts(still, xmp=recipes.xmp())
    content = boxes.embedded(file.read_bytes(), recipe) if film else still
    artwork = Artwork.objects.create(
        owner=owner,
        job=job,
        kind=kind,
        key=media.save(f"artworks/{job}{SUFFIXES[kind]}", content),
        poster_key=media.save(f"artworks/{job}-poster.png", still) if film else "",
        thumb_key=media.save(f"artworks/{job}.webp", facts.thumb),
        width=facts.width,
        height=facts.height,
        seconds=seconds,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        phash=facts.phash,
        tone=facts.tone,
        blur=facts.blur,
        prompt=prompt,
        seed=seed,
        recipe=recipe,
        likeness=likeness or {},
        parent=parent,
    )
    ArtworkStyle.objects.bulk_create(
        ArtworkStyle(artwork=artwork, style=style, adapter=adapter, weight=weight) for style, adapter, weight in styles
    )
    if addresses.is_marked(artwork):  # now, on the worker, rather than when the first page waits for it
        marks.marked_file(artwork)
        marks.marked_thumb(artwork)
    return artwork


def favourite(*, artwork: Artwork, on: bool) -> None:
    Artwork.objects.filter(pk=artwork.pk).update(favourite=on)
    artwork.favourite = on


def describe(*, artwork: Artwork, alt_text: str) -> None:
    """Say what is to be seen, for those who cannot see it. Empty brings back the prompt."""
    artwork.alt_text = one_line(alt_text, field="alt_text", name=_("The description"), most=MAX_ALT_TEXT)
    artwork.save(update_fields=["alt_text"])


def delete_artwork(*, artwork: Artwork) -> None:
    """Take a picture down; `restore_artwork` hangs it up again within thirty days."""
    delete_artworks(owner=artwork.owner, ids=[artwork.public_id])
    artwork.refresh_from_db(fields=["deleted_at"])


def restore_artwork(*, artwork: Artwork) -> None:
    restore_artworks(owner=artwork.owner, ids=[artwork.public_id])
    artwork.refresh_from_db(fields=["deleted_at"])


def delete_artworks(*, owner: User, ids: list[uuid.UUID]) -> int:
    """Take many down at once; those of others are not touched. How many there were."""
    return Artwork.objects.owned_by(owner).filter(public_id__in=ids).update(deleted_at=timezone.now())


def restore_artworks(*, owner: User, ids: list[uuid.UUID]) -> int:
    return Artwork.objects.deleted_by(owner).filter(public_id__in=ids).update(deleted_at=None)


def favourite_artworks(*, owner: User, ids: list[uuid.UUID]) -> int:
    return Artwork.objects.owned_by(owner).filter(public_id__in=ids).update(favourite=True)


def purge(*, now: datetime.datetime) -> int:
    """Remove for good what was taken down more than thirty days ago, files first. How many there were."""
    gone = 0
    due = Artwork.objects.filter(deleted_at__lt=now - KEPT_AFTER_DELETION).values_list("pk", flat=True)
    for pk in list(due):
        with transaction.atomic():
            artwork = Artwork.objects.select_for_update().filter(pk=pk, deleted_at__isnull=False).first()
            if not artwork:
                continue  # restored meanwhile
            for key in artwork.keys:
                media.delete(key)
            artwork.delete()
            gone += 1
    return gone
