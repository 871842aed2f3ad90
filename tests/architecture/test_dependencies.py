"""requirements.txt and the groups of pyproject.toml are two views of one list."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_requirements_are_the_union_of_the_groups() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    union = {line for group in groups.values() for line in group}
    lines = (line.strip() for line in (ROOT / "requirements.txt").read_text().splitlines())

    assert {line for line in lines if line and not line.startswith(("#", "-"))} == union


def test_every_dependency_is_pinned() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]

    assert [line for group in groups.values() for line in group if "==" not in line] == []


def test_the_web_installs_no_torch() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    heavy = ("torch", "diffusers", "peft", "transformers", "accelerate")

    assert [line for line in groups["web"] if line.split("==")[0] in heavy] == []
