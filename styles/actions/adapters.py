"""Versions of a style: numbered when a run starts, finished or failed when it ends, one of them active."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from config.kit.errors import Conflict
from styles.actions.status import refresh_status
from styles.actions.triggers import free_trigger_word
from styles.models import Adapter, Style


@transaction.atomic
def new_adapter(*, style: Style, base: str, method: str, rank: int, steps: int) -> Adapter:
    """The next version, still forming, with the hashes of the works it will be learned from."""
    style = _locked(style)
    if not style.trigger_word and style.next_version > 1:  # imported without one, and about to be taught
        style.trigger_word = free_trigger_word()
    adapter = Adapter.objects.create(
        style=style,
        number=style.next_version,
        base=base,
        method=method,
        rank=rank,
        steps=steps,
        reference_hashes=list(style.references.values_list("sha256", flat=True)),
    )
    style.next_version += 1
    style.used_at = timezone.now()
    style.save(update_fields=["next_version", "trigger_word", "used_at", "updated_at"])
    refresh_status(style=style)
    return adapter


@transaction.atomic
def finish_adapter(
    *, adapter: Adapter, key: str, sha256: str, bytes: int, loss: float | None, steps: int, activate: bool = True
) -> Adapter:
    """Its weights are there. A second call with other weights makes it those."""
    style = _locked(adapter.style)
    adapter.key, adapter.sha256, adapter.bytes, adapter.loss, adapter.steps = key, sha256, bytes, loss, steps
    adapter.state = Adapter.State.READY
    adapter.save(update_fields=["key", "sha256", "bytes", "loss", "steps", "state"])
    if activate:
        style.active_adapter = adapter
        style.save(update_fields=["active_adapter", "updated_at"])
    refresh_status(style=style)
    return adapter


def keep_works(*, adapter: Adapter, key: str) -> Adapter:
    """The features of the works it is learned from: what later pictures are held against."""
    adapter.works_key = key
    adapter.save(update_fields=["works_key"])
    return adapter


@transaction.atomic
def fail_adapter(*, adapter: Adapter, cancelled: bool = False) -> Adapter:
    """Its run ended without weights. One that was cancelled leaves no failed style behind."""
    style = _locked(adapter.style)
    adapter.state = Adapter.State.DELETED if cancelled else Adapter.State.FAILED
    adapter.save(update_fields=["state"])
    refresh_status(style=style)
    return adapter


@transaction.atomic
def activate_adapter(*, style: Style, adapter: Adapter) -> Style:
    """New pictures are made with this version from now on."""
    style = _locked(style)
    adapter = style.adapters.get(pk=adapter.pk)
    if adapter.state != Adapter.State.READY:
        raise Conflict(_("This version has no finished weights."), code="version_not_ready")
    style.active_adapter = adapter
    style.save(update_fields=["active_adapter", "updated_at"])
    return refresh_status(style=style)


def _locked(style: Style) -> Style:
    return Style.objects.with_deleted().select_for_update().get(pk=style.pk)
