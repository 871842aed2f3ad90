"""The rows for people: a line in a terminal, a table in the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- engine benchmark: begin -->", "<!-- engine benchmark: end -->"
_WORDS = {True: "holds", False: "missed", None: "–"}


def line(row: dict[str, Any]) -> str:
    held = {True: "ok  ", False: "MISS", None: "    "}[row["holds"]]
    if row["ours"] is None:
        return f"{held} {row['name']:<26} {row['note']}"
    ratio = "" if row["ratio"] is None else f"{row['ratio']:g} ×"
    figures = f"{row['ours']:g} {row['unit']}".strip()
    against = "" if row["baseline"] is None else f"against {row['baseline']:g}"
    return (
        f"{held} {row['name']:<26} {figures:>14}  {against:<18} {ratio:>10}  (promised: {row['target'] or 'nothing'})"
    )


def table(result: dict[str, Any]) -> str:
    """Markdown."""
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    rows = "\n".join(_row(row) for row in result["rows"])
    return (
        f"Measured on: {result['device']} ({versions}).\n\n"
        "| row | what | ours | baseline | times better | promised | |\n|---|---|---|---|---|---|---|\n"
        f"{rows}\n"
    )


def _row(row: dict[str, Any]) -> str:
    if row["ours"] is None:
        return f"| `{row['name']}` | {row['say']} | | | | {row['target']} | {row['note']} |"

    def figure(value: float | None) -> str:
        return "" if value is None else f"{value:g} {row['unit']}".strip()

    ratio = "" if row["ratio"] is None else f"{row['ratio']:g}"
    word = f"{_WORDS[row['holds']]}{'; ' + row['note'] if row['note'] else ''}"
    return (
        f"| `{row['name']}` | {row['say']} | {figure(row['ours'])} | {figure(row['baseline'])} | {ratio} | "
        f"{row['target']} | {word} |"
    )


def into_docs(path: Path, result: dict[str, Any]) -> None:
    """Replaces what stands between the two marks."""
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{path} lacks the marks {BEGIN} and {END}.")
    path.write_text(f"{before}{BEGIN}\n\n{table(result)}\n{END}{after}")
