"""Every variable that the code reads is explained, and every variable that is explained is read."""

from __future__ import annotations

import re
from pathlib import Path

from config.stack.state import ROOT

_ROOMS = ("config", "accounts", "billing", "gpu", "styles", "gallery", "training", "generation")
_READ = re.compile(r"""(?:\benv\.\w+\(|environ\.get\(|environ\[)\s*f?["']([^"']+)["']""")
_MAKE = re.compile(r"\$\((ARGS|CMD|PYTHON)\)")
# set by make, Python's libraries or the stack itself, never by a person
_INTERNAL = {"MAKELEVEL", "SSL_CERT_FILE", "UV_FIND_LINKS", "PIP_FIND_LINKS"}


def _variables_read() -> set[str]:
    found: set[str] = set()
    for path in (file for room in _ROOMS for file in Path(ROOT / room).rglob("*.py")):
        for name in _READ.findall(path.read_text()):
            providers = ("GOOGLE", "DISCORD") if "{_provider.upper()}" in name else ("",)
            found |= {name.replace("{_provider.upper()}", provider) for provider in providers}
    return found | set(_MAKE.findall((ROOT / "Makefile").read_text()))


def _variables_explained() -> set[str]:
    rows = [line for line in (ROOT / "docs/configuration.md").read_text().splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([A-Z][A-Z_]+)`", row.split("|")[1])}


def test_every_variable_is_explained() -> None:
    assert sorted(_variables_read() - _variables_explained() - _INTERNAL) == []


def test_nothing_is_explained_that_nothing_reads() -> None:
    assert sorted(_variables_explained() - _variables_read() - _INTERNAL) == []
