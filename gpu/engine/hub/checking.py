"""Whether what lies on the disk is what it should be, byte for byte."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from gpu.engine.catalogue import ModelFacts
from gpu.engine.hub import manifest


@dataclass(frozen=True)
class Finding:
    """One file that was looked at. `expected` is empty where nobody vouches for a checksum."""

    path: str
    expected: str
    found: str  # empty: the file is not there

    @property
    def holds(self) -> bool:
        return bool(self.found) and self.expected in ("", self.found)


def check(model: ModelFacts, folder: Path) -> list[Finding]:
    """Reads every file of a model and compares its checksum to the catalogue's, else to the manifest's."""
    written = manifest.read(folder)
    entries = written.files if written and written.fits(model) else {}
    findings = []
    for file in model.files:
        noted = entries[file.path].sha256 if file.path in entries else ""
        path = folder / file.path
        findings.append(Finding(file.path, file.sha256 or noted, sha256_of(path) if path.is_file() else ""))
    return findings


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_sha1_of(path: Path) -> str:
    """The name that git gives a small file; the hub names those it does not keep as large files by it."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
