"""Erasing for good: of a deleted style only its name is left, beside the pictures that were made with it."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from django.db import transaction
from django.utils import timezone

from config.kit import media
from styles import queries, weights
from styles.actions.status import refresh_status
from styles.models import Adapter, Reference, Style

STYLE_KEPT = datetime.timedelta(days=30)
REFERENCE_KEPT = datetime.timedelta(days=1)

Eraser = Callable[[Style], None]
_erasers: list[Eraser] = []


def on_erase(eraser: Eraser) -> Eraser:
    """Rooms above register in `AppConfig.ready()` what else was learned from a style: checkpoints, samples."""
    _erasers.append(eraser)
    return eraser


def erase_due(*, now: datetime.datetime | None = None) -> int:
    """Erase what was deleted long ago, and likenesses whose consent has ended; how many of all these there were."""
    now = now or timezone.now()
    deleted = Style.objects.with_deleted().filter(deleted_at__lt=now - STYLE_KEPT, purged_at=None)
    removed = Reference.objects.with_deleted().filter(deleted_at__lt=now - REFERENCE_KEPT)
    learned = Style.objects.with_deleted().filter(kind=Style.Kind.PERSON, adapters__state=Adapter.State.READY)
    unconsented = [style for style in learned.distinct() if queries.valid_consent(style, now=now) is None]
    styles, references = list(deleted), list(removed)
    for style in styles:
        erase_style(style)
    for reference in references:
        erase_reference(reference)
    for style in unconsented:
        erase_versions(style)
    return len(styles) + len(references) + len(unconsented)


def erase_reference(reference: Reference) -> None:
    """Its files first: should this be cut short, the row still says what is to be erased."""
    media.delete(reference.key)
    media.delete(reference.thumb_key)
    reference.delete()


def erase_versions(style: Style) -> None:
    """Everything that was learned: no version can be used from the first moment on, then the files go."""
    keys = [key for adapter in style.adapters.exclude(key="") for key in weights.keys_of(adapter)]
    with transaction.atomic():
        Style.objects.with_deleted().filter(pk=style.pk).update(active_adapter=None)
        style.adapters.exclude(state=Adapter.State.FORMING).update(key="", works_key="", state=Adapter.State.DELETED)
        refresh_status(style=style)
    for key in keys:
        media.delete(key)
    for eraser in _erasers:
        eraser(style)


def erase_style(style: Style) -> None:
    """References and weights go. The row stays, for pictures, runs and the audit trail refer to it."""
    for reference in Reference.objects.with_deleted().filter(style=style):
        erase_reference(reference)
    erase_versions(style)
    style.consents.all().delete()
    style.description = ""
    style.purged_at = timezone.now()
    style.save(update_fields=["description", "purged_at", "updated_at"])
