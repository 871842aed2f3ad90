"""A ZIP that grows on the disk: nothing of it is ever whole in memory, however large an account is."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from config.kit import media

CHUNK = 1024 * 1024
_UNSAFE = re.compile(r"[^\w.()+ -]+")
LONGEST_PART = 100  # characters of a folder's or file's name: every system can unpack that

Heard = Callable[[], None]


class Archive:
    """Rooms write with `data`, `rows` and `file`; every name is made safe and met once.

    What cannot be read is not an end: it is told in `manifest.json`.
    """

    def __init__(self, path: Path, *, alive: Heard = lambda: None) -> None:
        self._beside = path.parent
        self._zip = zipfile.ZipFile(path, "w", allowZip64=True)
        self._alive = alive  # called again and again while it works; may raise to end it
        self._folder = ""
        self._names: set[str] = set()
        self.files: list[dict[str, Any]] = []
        self.missing: list[dict[str, str]] = []

    def enter(self, folder: str) -> None:
        """Everything from here on lies in this folder."""
        self._folder = folder

    def data(self, name: str, data: Mapping[str, Any]) -> str:
        """One JSON document; answers its name in the archive."""
        text = json.dumps(data, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False)
        return self.text(name, text + "\n")

    def text(self, name: str, text: str) -> str:
        name = self._named(name)
        with self._open(name, zipfile.ZIP_DEFLATED) as out:
            out.write(text.encode())
        return name

    def rows(self, name: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """A JSON list, a row at a time; how many there were. A row may put files into the archive as it comes."""
        count = 0
        with tempfile.TemporaryFile(dir=self._beside) as spool:  # a ZIP takes one file after the other
            for row in rows:
                text = json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False)
                spool.write((",\n" if count else "[\n").encode() + text.encode())
                count += 1
                self._alive()
            spool.write(b"\n]\n" if count else b"[]\n")
            spool.seek(0)
            with self._open(self._named(name), zipfile.ZIP_DEFLATED) as out:
                shutil.copyfileobj(spool, out)
        return count

    def file(self, name: str, key: str) -> str:
        """A stored file as it is; its name in the archive, or "" where there is none (any more)."""
        if not key:
            return ""
        try:
            source = media.open_file(key)
        except FileNotFoundError:
            self.miss(name)
            return ""
        except OSError:
            self.miss(name, "it could not be read")
            return ""
        sha, size = hashlib.sha256(), 0
        name = self._named(name)
        # pictures and weights are as small as they get
        with source, self._open(name, zipfile.ZIP_STORED) as out:
            while chunk := self._read(source, name):
                sha.update(chunk)
                size += len(chunk)
                out.write(chunk)
                self._alive()
        self.files.append({"name": name, "bytes": size, "sha256": sha.hexdigest()})
        return name

    def miss(self, name: str, why: str = "it is not there any more") -> None:
        """Tell of a file that should be here."""
        self.missing.append({"name": name, "why": why})

    def close(self, about: Mapping[str, Any]) -> None:
        """The last file: what is in here, and what could not be read."""
        self.enter("")
        self.data("manifest.json", {**about, "files": self.files, "could_not_be_read": self.missing})
        self._zip.close()

    def abandon(self) -> None:
        """Let go of the file, finished or not."""
        unfinished, self._zip.fp = self._zip.fp, None  # what has none writes nothing more when it goes
        if unfinished is not None:
            unfinished.close()

    def _read(self, source: Any, name: str) -> bytes:
        try:
            chunk: bytes = source.read(CHUNK)
            return chunk
        except OSError:
            self.miss(name, "it could not be read to its end")
            return b""

    def _named(self, name: str) -> str:
        """A name that every system unpacks, inside this folder, and only once."""
        parts = [_UNSAFE.sub("-", part).strip(" .-")[:LONGEST_PART] or "file" for part in name.split("/")]
        path = Path(*filter(None, [self._folder]), *parts)
        found, number = path, 2
        while found.as_posix().casefold() in self._names:
            found = path.with_name(f"{path.stem}-{number}{path.suffix}")
            number += 1
        self._names.add(found.as_posix().casefold())
        return found.as_posix()

    def _open(self, name: str, how: int) -> Any:
        info = zipfile.ZipInfo(name, date_time=timezone.now().timetuple()[:6])
        info.compress_type = how
        info.external_attr = 0o644 << 16
        return self._zip.open(info, "w", force_zip64=True)
