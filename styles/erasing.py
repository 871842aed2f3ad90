"""What is left of a deleted style after its time: its name in the lists of pictures made with it, and nothing else."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from django.db import transaction
from django.utils import timezone

from config.kit import media
from styles.models import Adapter, Reference, Style

STYLE_KEPT = datetime.timedelta(days=30)
REFERENCE_KEPT = datetime.timedelta(days=1)

Eraser = Callable[[Style], None]
_erasers: list[Eraser] = []


def on_erase(eraser: Eraser) -> Eraser:
    """Rooms above register in `AppConfig.ready()` what else goes with a style: samples, checkpoints, snapshots."""
    _erasers.append(eraser)
    return eraser


def erase_due(*, now: datetime.datetime | None = None) -> int:
    """Erase what was deleted long enough ago; how many styles and single references that were."""
    now = now or timezone.now()
    styles = Style.objects.with_deleted().filter(deleted_at__lt=now - STYLE_KEPT, purged_at=None)
    for style in styles:
        erase_style(style)
    references = Reference.objects.with_deleted().filter(deleted_at__lt=now - REFERENCE_KEPT)
    count = len(styles)
    for reference in references:
        erase_reference(reference)
        count += 1
    return count


def erase_reference(reference: Reference) -> None:
    """Its files first: should this be cut short, the row still says what is to be erased."""
    media.delete(reference.key)
    media.delete(reference.thumb_key)
    reference.delete()


def erase_style(style: Style) -> None:
    """References and weights go. The row stays, for pictures, runs and the audit trail refer to it."""
    for reference in Reference.objects.with_deleted().filter(style=style):
        erase_reference(reference)
    for adapter in style.adapters.exclude(key=""):
        media.delete(adapter.key)
    for eraser in _erasers:
        eraser(style)
    with transaction.atomic():
        style.adapters.update(key="", state=Adapter.State.DELETED)
        style.consents.all().delete()
        style.active_adapter = None
        style.description = ""
        style.purged_at = timezone.now()
        style.save(update_fields=["active_adapter", "description", "purged_at", "updated_at"])
