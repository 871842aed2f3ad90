"""The programs' log files: warnings reach the terminal too, and no file grows without end."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from config.stack.process import Program

_LEVEL = r"(?:^|[\s\[])(WARNING|ERROR|CRITICAL|warning|error|critical)[\s/\]:]"
_WORTH_TELLING = re.compile(rf"{_LEVEL}|^\S*(Error|Exception): ")
_LARGEST = 10 * 1024 * 1024
_LINES_A_MINUTE = 30
_CHUNK = 1024 * 1024


class Logs:
    """Follows log files from where they end now."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._read_up_to: dict[Path, int] = {}
        self._names: dict[Path, str] = {}
        self._minute = 0.0
        self._told = 0

    def follow(self, program: Program) -> None:
        if program.echo_warnings and program.log not in self._names:
            self._names[program.log] = program.name
            self._read_up_to[program.log] = _size(program.log)

    def echo(self) -> None:
        """Tell what the programs warned of since the last call."""
        if time.monotonic() - self._minute > 60:
            self._minute, self._told = time.monotonic(), 0
        for path, name in self._names.items():
            for line in self._new_lines(path):
                if _WORTH_TELLING.search(line):
                    self._tell(name, line, path)

    def rotate(self) -> None:
        """Keep one older file beside each log. The writers append, so emptying the file under them is safe."""
        for path in {*self._names}:
            if _size(path) > _LARGEST:
                shutil.copyfile(path, path.with_name(path.name + ".1"))
                with path.open("r+b") as file:
                    file.truncate()
                self._read_up_to[path] = 0

    @staticmethod
    def end_of(program: Program, lines: int = 12) -> str:
        """The last lines of a program's log, to explain its death."""
        try:
            text = program.log.read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) + f"\n  (from {program.log})"

    def _new_lines(self, path: Path) -> list[str]:
        known = self._read_up_to[path]
        if _size(path) <= known:
            self._read_up_to[path] = min(known, _size(path))
            return []
        with path.open("rb") as file:
            file.seek(known)
            chunk = file.read(_CHUNK)
        whole = chunk[: chunk.rfind(b"\n") + 1] if len(chunk) < _CHUNK else chunk
        self._read_up_to[path] = known + len(whole)
        return whole.decode(errors="replace").splitlines()

    def _tell(self, name: str, line: str, path: Path) -> None:
        self._told += 1
        if self._told < _LINES_A_MINUTE:
            self._say(f"{name:>8} | {line}")
        elif self._told == _LINES_A_MINUTE:
            self._say(f"{name:>8} | … and more, in {path}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
