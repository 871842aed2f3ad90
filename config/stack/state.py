"""The folder that holds everything a running product keeps: `STATE_DIR`, by default `var/`."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent.parent


class Trouble(Exception):
    """Something the person at the terminal can mend; the message says how."""


@dataclass
class State:
    """One `STATE_DIR`. Everything in it is readable by its owner alone."""

    root: Path
    _lock: IO[str] | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls) -> State:
        return cls(Path(os.environ.get("STATE_DIR") or ROOT / "var").expanduser().resolve())

    def make(self) -> None:
        os.umask(0o077)
        try:
            (self.root / "log").mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0:  # PostgreSQL runs as another user then and has to pass through, not to read
                self.root.chmod(0o711)
        except OSError as error:
            raise Trouble(
                f"STATE_DIR is {self.root}, which cannot be written ({error.strerror}). Choose another folder."
            ) from error

    def try_lock(self) -> bool:
        """Take this folder for this process until it ends; false where another process has it."""
        lock = (self.root / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def log(self, name: str) -> Path:
        return self.root / "log" / f"{name}.log"

    def secret(self, name: str) -> str:
        """A password that is made once and kept."""
        known = self.read_json("secrets.json")
        if name not in known:
            known[name] = secrets.token_hex(24)
            self.write_json("secrets.json", known)
        return str(known[name])

    def secret_key_file(self) -> Path:
        """Django's key, made once and kept: sessions and signed links outlive a restart."""
        path = self.root / "secret_key"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(64) + "\n")
        return path

    def read_json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.root / name).read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        write_private(self.root / name, json.dumps(content, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, for its owner's eyes."""
    half = path.with_name(path.name + ".new")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
