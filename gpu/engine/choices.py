"""What somebody chose for this machine with `models use`: the base, and folders that hold models. Imports nothing.

It is one small file, `models.json` in `STATE_DIR`. The environment has the last word: `BASE_MODEL` goes before it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Choices:
    """`base` is what `BASE_MODEL` would say, or empty; `folders` are whole paths by the names of models."""

    base: str = ""
    folders: dict[str, str] = field(default_factory=dict)

    def with_base(self, base: str) -> Choices:
        return replace(self, base=base)

    def with_folder(self, name: str, folder: Path) -> Choices:
        return replace(self, folders={**self.folders, name: str(folder)})

    def without_folder(self, name: str) -> Choices:
        return replace(self, folders={key: folder for key, folder in self.folders.items() if key != name})


def state_dir() -> Path:
    """`STATE_DIR`, or `var` beside the code, as for the rest of the product."""
    return Path(os.environ.get("STATE_DIR") or ROOT / "var").expanduser().resolve()


def models_dir() -> Path:
    """Where `models pull` puts models, each in a folder of its name: `MODELS_DIR`, or `models` in `STATE_DIR`."""
    return Path(os.environ.get("MODELS_DIR") or state_dir() / "models").expanduser().resolve()


def read() -> Choices:
    """What was chosen; nothing where nobody chose. Raises ValueError with a sentence where the file is damaged."""
    path = _path()
    try:
        written = json.loads(path.read_text())
        folders = {str(name): str(folder) for name, folder in written.get("folders", {}).items()}
        return Choices(base=str(written.get("base", "")), folders=folders)
    except FileNotFoundError:
        return Choices()
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged. Delete it, and choose again with `models use`.") from error


def write(choices: Choices) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(asdict(choices), indent=2) + "\n")
    part.replace(path)


def _path() -> Path:
    return state_dir() / "models.json"
