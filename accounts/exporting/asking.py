"""Asking for an archive, finding it again, and letting it go when its time is over."""

from __future__ import annotations

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.background import ring
from accounts.models import DataExport, User
from config.kit import media
from config.kit.errors import Conflict
from config.kit.limits import limit

EXPORT_LASTS = timedelta(days=7)
ASKED_A_DAY = 5
State = DataExport.State


def ask(*, user: User) -> DataExport:
    """Put it into the line. Raises `Refusal` while one is being made, and where a day's are used up."""
    say = _("That is enough archives for a day. Tomorrow you can ask for another.")
    limit("export", str(user.public_id), times=ASKED_A_DAY, seconds=24 * 3600, say=say)
    try:
        with transaction.atomic():
            export = DataExport.objects.create(user=user)
            audit.record(actor=user, verb="export.ask", target_kind="user", target=user.public_id)
            transaction.on_commit(ring, robust=True)
    except IntegrityError as error:
        raise Conflict(_("An archive is being made already. Wait for it."), code="export_running") from error
    return export


def latest(user: User) -> DataExport | None:
    return user.exports.exclude(state=State.GONE).order_by("-pk").first()


def expire() -> int:
    """Remove the files whose time is over; how many there were."""
    due = list(DataExport.objects.filter(state=State.READY, expires_at__lt=timezone.now()))
    for export in due:
        let_go(export)
    return len(due)


def let_go(export: DataExport) -> None:
    """Its file first: should this be cut short, the row still says what is to be removed."""
    media.delete(export.key)
    DataExport.objects.filter(pk=export.pk).update(state=State.GONE, key="")
