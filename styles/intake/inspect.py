"""This side of the sandbox: files in, checked answers out."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from styles.intake.sandbox import COPY, RESULT, SECONDS_A_FILE, THUMB

log = structlog.get_logger(__name__)

_BOOTSTRAP = (
    "import sys, runpy; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module('styles.intake.sandbox', run_name='__main__')"
)
# no secret of ours, and one thread: memory is limited and cores are shared
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
# decoders at once in this process: each may take a core and up to two gigabytes
slots = threading.BoundedSemaphore(max(2, (os.cpu_count() or 2) // 2))


class Features(BaseModel):
    """Figures from 0 to 1; see `measure.features`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    light: float = Field(ge=0, le=1)
    contrast: float = Field(ge=0, le=2)
    saturation: float = Field(ge=0, le=1)
    dark: float = Field(ge=0, le=1)
    white: float = Field(ge=0, le=1)
    white_edge: float = Field(ge=0, le=1)
    detail: float = Field(ge=0, le=2)
    hues: list[float] = Field(min_length=12, max_length=12)


class Figures(BaseModel):
    """What the sandbox says of a picture. It has read a hostile file, so nothing it says is taken on trust."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    width: int = Field(ge=1, le=1_000_000)
    height: int = Field(ge=1, le=1_000_000)
    phash: int = Field(ge=-(2**63), lt=2**63)
    sharpness: float = Field(ge=0)
    tone: str = Field(pattern=r"^#[0-9a-f]{6}$")
    blur: str = Field(pattern=r"^data:image/webp;base64,[A-Za-z0-9+/=]+$", max_length=2000)
    features: Features


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    accepted: Figures | None = None
    refused: str = Field(default="", pattern=r"^[a-z_]{0,30}$")
    facts: dict[str, int] = Field(default_factory=dict, max_length=3)


@dataclass(frozen=True)
class Picture:
    """A file that became a picture; `copy` and `thumb` live as long as the `inspected` block."""

    figures: Figures
    copy: Path
    thumb: Path


@dataclass(frozen=True)
class Fault:
    """A file that is not taken: a code of `intake.sentences`, and the facts for its sentence."""

    code: str
    facts: dict[str, Any] = field(default_factory=dict)


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for one upload; files to look at go to `in/0`, `in/1` …"""
    with tempfile.TemporaryDirectory(prefix="intake-", dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        (Path(folder) / "in").mkdir()
        yield Path(folder)


def inspect(work: Path, numbers: Sequence[int]) -> dict[int, Picture | Fault]:
    """Open the files `in/<number>` of the workspace. One that ends the sandbox never spoils the others."""
    left = list(numbers)
    found: dict[int, Picture | Fault] = {}
    with slots:
        while left:
            said = run_sandbox(work, left)
            for number in left:
                answer = _answer(work / "out" / str(number))
                if answer is None:
                    log.warning("intake_process_ended", said=said)
                    found[number] = Fault("unreadable")
                    break
                found[number] = answer
            left = [number for number in left if number not in found]
    return found


def run_sandbox(work: Path, numbers: Sequence[int], *options: str) -> str:
    """Run the sandbox over the files; what it said on stderr, for the log."""
    command = [sys.executable, "-I", "-c", _BOOTSTRAP, str(settings.BASE_DIR), str(work), *map(str, numbers), *options]
    with (work / "said").open("w+b") as said:
        try:
            subprocess.run(
                command,
                cwd=work,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                timeout=(SECONDS_A_FILE + 2) * len(numbers),
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "took too long"
        said.seek(0)
        return said.read(4000).decode(errors="replace")


def _answer(out: Path) -> Picture | Fault | None:
    """What the sandbox found, or None where it ended before it could say."""
    try:
        answer = _Answer.model_validate_json((out / RESULT).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    if answer.accepted is None:
        return Fault(answer.refused or "unreadable", answer.facts)
    copy, thumb = out / COPY, out / THUMB
    if not (_starts(copy, b"\xff\xd8\xff") and _starts(thumb, b"RIFF")):
        return None
    return Picture(answer.accepted, copy, thumb)


def _starts(path: Path, magic: bytes) -> bool:
    """A plain file (never a link to one of ours) that begins as it should."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(magic)) == magic
