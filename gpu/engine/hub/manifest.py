"""What was fetched, written down beside it: where from, when, and the checksum of every file.

Where the catalogue knows no checksum the one of the first pull holds from then on.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from gpu.engine.catalogue import ModelFacts
from gpu.engine.disk import write_atomically

NAME = "manifest.json"
# who vouches for a checksum: this product, the hub's list of large files, or the first pull alone
Voucher = Literal["catalogue", "hub", "first pull"]


@dataclass(frozen=True)
class Entry:
    bytes: int
    sha256: str
    vouched_by: Voucher


@dataclass(frozen=True)
class Manifest:
    name: str
    repository: str
    revision: str
    licence: str
    pulled_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    files: dict[str, Entry] = field(default_factory=dict)

    def fits(self, model: ModelFacts) -> bool:
        """Whether it is of the revision that the catalogue names; where that names none, whichever came first."""
        return self.revision == (model.revision or self.revision)


def read(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where there is none that can be read."""
    try:
        written = json.loads((folder / NAME).read_text())
        written["files"] = {path: Entry(**entry) for path, entry in written["files"].items()}
        return Manifest(**written)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(folder: Path, manifest: Manifest) -> None:
    write_atomically(folder / NAME, (json.dumps(asdict(manifest), indent=2) + "\n").encode())
