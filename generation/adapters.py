"""Weights on the worker's disk, under their hash: fetched once, used by every picture."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from config.kit import media
from config.kit.errors import Refusal
from styles.models import Adapter

KEPT = 100  # files; those used longest ago go first
KEPT_FOR = 7 * 24 * 3600  # seconds without use: weights that were erased must not live on here


def on_disk(adapter: Adapter) -> Path:
    """Where the engine finds this version's weights, checked against their hash when they are fetched."""
    if adapter.state != Adapter.State.READY:
        raise _refusal(adapter, _("“%(style)s” version %(number)d was deleted meanwhile."), "version_missing")
    target = _folder() / f"{adapter.sha256}.safetensors"
    if not target.exists():
        _fetch(adapter, target)
    os.utime(target, (time.time(), target.stat().st_mtime))  # the disk may not note when a file is read
    _prune(keep=target)
    return target


def _fetch(adapter: Adapter, target: Path) -> None:
    beside = _folder() / f".{uuid.uuid4().hex}"
    try:
        media.fetch(adapter.key, beside)
        with beside.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != adapter.sha256:
            say = _("The weights of “%(style)s” version %(number)d are damaged. Use another version.")
            raise _refusal(adapter, say, "version_damaged")
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _refusal(adapter: Adapter, say: str, code: str) -> Refusal:
    return Refusal(say % {"style": adapter.style.name, "number": adapter.number}, code=code)


def _folder() -> Path:
    return Path(settings.STATE_DIR) / "cache" / "adapters"


def _prune(*, keep: Path) -> None:
    used: dict[Path, float] = {}
    for file in _folder().glob("*.safetensors"):
        with suppress(FileNotFoundError):  # another worker of this machine was faster
            used[file] = file.stat().st_atime
    for place, file in enumerate(sorted(used, key=lambda file: used[file], reverse=True)):
        if file != keep and (place >= KEPT or used[file] < time.time() - KEPT_FOR):
            file.unlink(missing_ok=True)
