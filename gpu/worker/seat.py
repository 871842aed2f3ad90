"""A worker's place on its machine: a locked file. Who holds the lock is alive; whoever held it before is not."""

from __future__ import annotations

import fcntl
import itertools
import json
import time
import uuid
from pathlib import Path
from typing import IO, Any

import structlog
from django.conf import settings

from gpu.engine_process import kill_group

log = structlog.get_logger(__name__)

ORPHAN_SECONDS = 5.0


class Seat:
    """The first free place in this STATE_DIR, until the process ends, however it ends."""

    def __init__(self) -> None:
        folder = Path(settings.STATE_DIR) / "work" / "seats"
        folder.mkdir(parents=True, exist_ok=True)
        self.number, self._file = next(
            (number, file) for number in itertools.count(1) if (file := _lock(folder / f"{number}.json"))
        )
        facts = self._read()
        self.id = uuid.UUID(facts["seat"]) if "seat" in facts else uuid.uuid4()
        if facts.get("engine"):
            _end_orphan(facts["engine"], facts["engine_started"])
        self.note_engine(None)

    def note_engine(self, pid: int | None) -> None:
        """Remember whose engine to end if this process cannot do so itself any more."""
        facts = {"seat": str(self.id), "engine": pid, "engine_started": _started(pid) if pid else ""}
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(facts))
        self._file.flush()

    def leave(self) -> None:
        self._file.close()

    def _read(self) -> dict[str, Any]:
        self._file.seek(0)
        try:
            return dict(json.loads(self._file.read() or "{}"))
        except ValueError:  # a crash in the middle of writing it
            return {}


def _end_orphan(pid: int, started: str) -> None:
    """The engine of a worker that was killed leaves by itself, with a snapshot; unless it hangs."""
    until = time.monotonic() + ORPHAN_SECONDS
    while _started(pid) == started:
        if time.monotonic() > until:
            log.warning("engine_orphaned", pid=pid)
            kill_group(pid)
            return
        time.sleep(0.1)


def _lock(path: Path) -> IO[str] | None:
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _started(pid: int) -> str:
    """When the kernel started this process: with the pid it names one process for good. Empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
