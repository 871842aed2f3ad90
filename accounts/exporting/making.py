"""Making archives. The row is the lease: whoever makes one is heard of again and again, else another begins anew."""

from __future__ import annotations

import errno
import time
from datetime import timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.exporting.archive import Archive
from accounts.exporting.asking import EXPORT_LASTS, State, let_go
from accounts.exporting.rooms import rooms
from accounts.models import DataExport
from accounts.notices import EXPORT
from accounts.notifications import notify
from config.kit import media

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=2)  # without a word of its maker; a disk that takes longer for one chunk is broken
TELL_EVERY = 1.0  # seconds between two words
MAX_ATTEMPTS = 3
KEPT_WITHIN = timedelta(hours=1)  # a store elsewhere takes its time with a large archive, and says nothing meanwhile
LEFT_BEHIND = 3 * 3600.0  # seconds in which nothing was written to a file: nobody writes it any more
FULL_DISK = {errno.ENOSPC, errno.EDQUOT}


class Gone(Exception):
    """Somebody else makes it, or nobody wants it any more."""


def work() -> int:
    """Make everything that waits or was left behind; how many were taken up."""
    _remove_leftovers()
    taken = 0
    while (export := _claim()) is not None:
        taken += 1
        make(export)
    return taken


def make(export: DataExport) -> None:
    """One archive, from its claim to its file. A failure is told in the row, in words."""
    path = _folder() / f"{export.public_id}-{export.attempts}.zip"
    try:
        _write(export, path)
        _keep(export, path)
    except Gone:
        log.info("export_gone", export=str(export.public_id))
    except Exception as error:
        log.exception("export_failed", export=str(export.public_id))
        full = isinstance(error, OSError) and error.errno in FULL_DISK
        _fail(export, _full_disk() if full else _("Something went wrong while it was made. Please ask for it again."))
    finally:
        path.unlink(missing_ok=True)


@transaction.atomic
def _claim() -> DataExport | None:
    """The next to be made; one whose maker fell silent three times has failed."""
    waits = Q(state=State.QUEUED) | Q(state=State.MAKING, seen_at__lt=timezone.now() - LEASE)
    rows = DataExport.objects.select_for_update(skip_locked=True).filter(waits).order_by("pk")
    for export in rows:
        if export.attempts >= MAX_ATTEMPTS:
            _fail(export, _("The server was stopped three times while it was made. Please ask for it again."))
            continue
        now = timezone.now()
        export.state, export.attempts, export.progress = State.MAKING, export.attempts + 1, 0.0
        export.begun_at = export.seen_at = now
        export.save(update_fields=["state", "attempts", "progress", "begun_at", "seen_at"])
        return export
    return None


def _write(export: DataExport, path: Path) -> None:
    told, done = time.monotonic(), 0.0

    def alive() -> None:
        nonlocal told
        if time.monotonic() - told >= TELL_EVERY:
            told = time.monotonic()
            _tell(export, done)

    user, known = export.user, rooms()
    archive = Archive(path, alive=alive)
    try:
        archive.text("README.txt", _readme())
        for number, room in enumerate(known):
            archive.enter(room.name)
            room.write(user, archive)
            done = (number + 1) / (len(known) + 1)  # the last part is keeping it
            _tell(export, done)
        archive.close({"made_at": timezone.now(), "account": user.public_id})
    finally:
        archive.abandon()


def _keep(export: DataExport, path: Path) -> None:
    size = path.stat().st_size
    if not _mine(export).update(seen_at=timezone.now() + KEPT_WITHIN):
        raise Gone
    # a name of this attempt: what a maker that was given up still brings must not touch the file of the next
    key = media.take_in(f"exports/{export.user.public_id}/{export.public_id}-{export.attempts}.zip", path)
    earlier = list(DataExport.objects.filter(user=export.user, state=State.READY))
    now = timezone.now()
    ready = {"state": State.READY, "key": key, "bytes": size, "progress": 1.0}
    with transaction.atomic():
        if not _mine(export).update(**ready, ready_at=now, expires_at=now + EXPORT_LASTS, error=""):
            media.delete(key)
            raise Gone
        audit.record(actor=None, verb="export.ready", target_kind="user", target=export.user.public_id)
        notify(
            user=export.user,
            kind=EXPORT,
            key=f"export:{export.public_id}",
            title=_("Your archive is ready"),
            body=_("It can be downloaded for seven days, then it is removed."),
            url=reverse("accounts:data") + "#export",
        )
    for old in earlier:
        let_go(old)


def _tell(export: DataExport, done: float) -> None:
    if not _mine(export).update(progress=done, seen_at=timezone.now()):
        raise Gone


def _fail(export: DataExport, say: str) -> None:
    _mine(export).update(state=State.FAILED, error=say, key="")


def _mine(export: DataExport) -> QuerySet[DataExport]:
    """The row, as long as this attempt is the one that counts."""
    return DataExport.objects.filter(pk=export.pk, state=State.MAKING, attempts=export.attempts)


def _folder() -> Path:
    """Beside the stored files, so that keeping an archive is a move and takes no second place on the disk."""
    folder = Path(settings.STATE_DIR) / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _remove_leftovers() -> None:
    """What a maker that was killed left on this disk."""
    for path in _folder().glob("*.zip"):
        if path.stat().st_mtime < time.time() - LEFT_BEHIND:
            path.unlink(missing_ok=True)


def _full_disk() -> str:
    return _("The server's disk is full, so the archive could not be written. Please try again later.")


def _readme() -> str:
    lines = [f"{room.name + '/':<12} {room.say}" for room in rooms()]
    return _README.format(day=f"{timezone.now():%d %B %Y}", rooms="\n".join(lines))


_README = """\
Everything that ArtistCloner keeps of your account, as of {day}.

{rooms}
manifest.json  every picture, film and weights file in here with its size and SHA-256, and what could not be read

The lists are JSON in UTF-8; times are in UTC. Pictures are PNG or JPEG, films MP4, weights safetensors: they work in
other tools that load LoRA weights. Passwords, keys of API tokens and secrets of second steps are not in here.
"""
