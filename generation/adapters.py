"""Files of styles on the worker's disk: weights under their hash, and the features of the works they were learned from.

Fetched once and used by every picture. What was used longest ago goes first when there is more than
`WEIGHTS_CACHE_GB`; what a picture may be using just now never goes.
"""

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
from styles.models import Adapter, Style

KEPT_FOR = 7 * 24 * 3600  # seconds without use: weights that were erased must not live on here
_WORKS = "-works.safetensors"
HASH = 64  # characters: every file here begins with that of the weights it belongs to
IN_USE = 15 * 60  # seconds since a file was asked for in which its picture may still be read


def on_disk(adapter: Adapter) -> Path:
    """Where the engine finds this version's weights.

    They are held against their hash when they are fetched, and again when the file is not as large as it was.
    """
    if adapter.state != Adapter.State.READY:
        raise _refusal(adapter, _("“%(style)s” version %(number)d was deleted meanwhile."), "version_missing")
    target = _folder() / f"{adapter.sha256}.safetensors"
    if not target.is_file() or (target.stat().st_size != adapter.bytes and _hash(target) != adapter.sha256):
        _fetch(adapter, target)
    _used(target)
    return target


def works_on_disk(adapter: Adapter) -> str:
    """The path of the features of the works that this version was learned from; empty where there are none."""
    if not adapter.works_key:
        return ""
    target = _folder() / f"{adapter.sha256}{_WORKS}"
    if not target.is_file():
        beside = _beside()
        try:
            media.fetch(adapter.works_key, beside)
            beside.replace(target)
        except FileNotFoundError:  # erased, or of a version from before works were kept
            return ""
        finally:
            beside.unlink(missing_ok=True)
    _used(target)
    return str(target)


def forget(adapter: Adapter) -> None:
    """The engine doubts this version's file: the next picture fetches it anew."""
    (_folder() / f"{adapter.sha256}.safetensors").unlink(missing_ok=True)


def forget_style(style: Style) -> None:
    """What this machine keeps of a style that is erased, at once; other machines tidy it away."""
    for adapter in style.adapters.exclude(sha256=""):
        forget(adapter)
        (_folder() / f"{adapter.sha256}{_WORKS}").unlink(missing_ok=True)


def tidy() -> None:
    """Remove what belongs to no version (any more), whichever machine it was erased on."""
    unused_since = time.time() - IN_USE
    files = {file: file.name[:HASH] for file in _folder().glob("*.safetensors")}
    ready = Adapter.objects.filter(state=Adapter.State.READY, sha256__in=files.values())
    known = set(ready.values_list("sha256", flat=True))
    for file, sha256 in files.items():
        if sha256 not in known and file.stat().st_atime < unused_since:
            file.unlink(missing_ok=True)


def _fetch(adapter: Adapter, target: Path) -> None:
    beside = _beside()
    try:
        media.fetch(adapter.key, beside)
        if _hash(beside) != adapter.sha256:
            say = _("The weights of “%(style)s” version %(number)d are damaged. Use another version.")
            raise _refusal(adapter, say, "version_damaged")
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _refusal(adapter: Adapter, say: str, code: str) -> Refusal:
    return Refusal(say % {"style": adapter.style.name, "number": adapter.number}, code=code)


def _folder() -> Path:
    return Path(settings.STATE_DIR) / "cache" / "adapters"


def _beside() -> Path:
    return _folder() / f".{uuid.uuid4().hex}"


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _used(target: Path) -> None:
    os.utime(target, (time.time(), target.stat().st_mtime))  # the disk may not note when a file is read
    _prune()


def _prune() -> None:
    """Make room: first what nobody used for a week, then what was used longest ago."""
    now, kept = time.time(), 0
    files: list[tuple[float, int, Path]] = []
    for file in _folder().glob("*.safetensors"):
        with suppress(FileNotFoundError):  # another worker of this machine was faster
            facts = file.stat()
            files.append((facts.st_atime, facts.st_size, file))
    for used, size, file in sorted(files, reverse=True):
        kept += size
        too_old = used < now - KEPT_FOR
        too_much = kept > settings.WEIGHTS_CACHE_BYTES and used < now - IN_USE
        if too_old or too_much:
            file.unlink(missing_ok=True)
            kept -= size
