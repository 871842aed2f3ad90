"""Encoded references on a worker's disk, kept so that a second training of the same set need not encode them again.

What was encoded can be turned back into the picture, nearly. So it goes with the set: a folder holds one set of one
style, and is removed once the style is gone, the set is another one, or nobody trained it for a week.
"""

from __future__ import annotations

import hashlib
import shutil
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from gpu.models import Job
from styles.models import Style
from training.models import Run

KEPT = 7 * 24 * 3600.0  # seconds


def folder_of(run: Run) -> Path:
    return _folder(run.style, run.run_references.values_list("sha256", flat=True))


def tidy() -> int:
    """Remove what nobody may need any more from this machine; how many folders that were."""
    folders = [folder for folder in _root().glob("*") if folder.is_dir() and not _wanted(folder)]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(folders)


def forget(style: Style) -> None:
    """What this machine encoded of a style, at once; other machines tidy it away."""
    for folder in _root().glob(f"{style.public_id}.*"):
        shutil.rmtree(folder, ignore_errors=True)


def _root() -> Path:
    return Path(settings.STATE_DIR) / "encoded"


def _folder(style: Style, hashes: Iterable[str]) -> Path:
    digest = hashlib.sha256(" ".join(sorted(hashes)).encode()).hexdigest()
    return _root() / f"{style.public_id}.{digest[:16]}"


def _wanted(folder: Path) -> bool:
    try:
        style_id = uuid.UUID(folder.name.partition(".")[0])
    except ValueError:
        return False
    style = Style.objects.filter(public_id=style_id).first()
    if style is None:
        return False
    if Run.objects.filter(style=style, job__state__in=(Job.State.QUEUED, Job.State.RUNNING)).exists():
        return True  # an engine may be reading it
    fresh = time.time() - folder.stat().st_mtime < KEPT
    return fresh and folder == _folder(style, style.references.values_list("sha256", flat=True))
