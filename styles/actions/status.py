"""The one place where a style's status is decided."""

from __future__ import annotations

from styles import rules
from styles.models import Adapter, Style


def refresh_status(*, style: Style) -> Style:
    """Derive the status from the facts: an active version, a run, the last run's end, what is still missing."""
    style.refresh_from_db(fields=["active_adapter", "status"])
    newest = style.adapters.exclude(state=Adapter.State.DELETED).order_by("-number").first()
    if style.active_adapter_id is not None:
        status = Style.Status.TRAINED
    elif newest is not None and newest.state == Adapter.State.FORMING:
        status = Style.Status.TRAINING
    elif newest is not None and newest.state == Adapter.State.FAILED:
        status = Style.Status.FAILED
    else:
        status = Style.Status.READY if rules.is_ready(style) else Style.Status.DRAFT
    if status != style.status:
        style.status = status
        style.save(update_fields=["status", "updated_at"])
    return style
