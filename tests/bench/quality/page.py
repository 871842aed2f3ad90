"""The table and the sheet of `docs/quality.md`, from the figures of `var/bench/quality.json`."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from PIL import Image

from tests.bench.quality.styles import STYLES

BEGIN, END = "<!-- figures -->", "<!-- end of the figures -->"
SEEDS = (1, 2, 3)
SIDE = 72  # pixels of a drawing on the sheet
GAP = 6  # between the styles

Figures = dict[str, Any]
Runs = list[Figures]


def runs_of(figures: Figures, style: str) -> Runs:
    """What each seed measured, in order."""
    return [run for seed, run in sorted(figures.get(style, {}).items()) if seed.isdigit()]


def write(page: Path, figures: Figures) -> None:
    """Replaces what stands between the two marks."""
    text = page.read_text()
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    page.write_text(
        f"{before}{BEGIN}\n\n{progress(figures)}\n\n{table(figures)}\n\n{likeness(figures)}\n\n{END}{after}"
    )


def progress(figures: Figures) -> str:
    """How much of the benchmark the figures hold."""
    reported = [style.name for style in STYLES if not style.tuning]
    done = sum(len(runs_of(figures, style)) for style in reported)
    return f"Measured: {done} of {len(reported) * len(SEEDS)} runs."


def table(figures: Figures) -> str:
    """One block of rows a style; distances are mean ± standard deviation over the seeds."""
    lines = [
        "| style | | from the style | from the subject | subject first | among five | CPU s |",
        "|---|---|---|---|---|---|---|",
    ]
    everything: dict[str, Runs] = {"base": [], "reference": [], "ours": []}
    for style in [style.name for style in STYLES if not style.tuning]:
        runs = runs_of(figures, style)
        if not runs:
            continue
        lines.append(f"| **{style}** | two halves of the true ones | {figures[style]['floor']:.3f} | | | | |")
        for name, rows in parts(runs).items():
            everything[name] += rows
            lines.append(f"| | {row(name, rows)} |")
    for name, rows in everything.items():
        lines.append(f"| {'**all**' if name == 'base' else ''} | {row(name, rows, spread=False)} |")
    return "\n".join(lines)


def parts(runs: Runs) -> dict[str, Runs]:
    """Base, reference and ours, each after its whole time."""
    return {
        "base": [run["base"] for run in runs],
        "reference": [run["reference"][-1] for run in runs],
        "ours": [run["ours"][-1] for run in runs],
    }


def row(name: str, rows: Runs, *, spread: bool = True) -> str:
    def both(key: str) -> str:
        values = [row[key] for row in rows]
        return f"{mean(values):.3f}" + (f" ± {pstdev(values):.3f}" if spread else "")

    shares = [f"{mean([row[key] for row in rows]):.0%}" for key in ("first", "five")]
    seconds = mean([row["seconds"] for row in rows])
    named = {"base": "base", "reference": "reference", "ours": "**ours**"}[name]
    return " | ".join([named, both("style"), both("subject"), *shares, f"{seconds:.0f}" if seconds else ""])


def likeness(figures: Figures) -> str:
    """When ours first was as near as the reference at its end, in the style and in both."""
    lines = ["| as near as the reference at its end | in the style | in style and subject |", "|---|---|---|"]
    for style in [style.name for style in STYLES if not style.tuning]:
        runs = runs_of(figures, style)
        if runs:
            cells = [reached(runs, keys) for keys in (("style",), ("style", "subject"))]
            lines.append(f"| {style} | {' | '.join(cells)} |")
    return "\n".join(lines)


def reached(runs: Runs, keys: tuple[str, ...]) -> str:
    """The mean share of the reference's time over the seeds; versions are kept a few times in a run."""
    shares = []
    for run in runs:
        last = run["reference"][-1]
        near = [mark for mark in run["ours"] if all(mark[key] <= last[key] for key in keys)]
        if near:
            shares.append(near[0]["seconds"] / last["seconds"])
    if not shares:
        return "not reached"
    missed = f" (not reached in {len(runs) - len(shares)} of {len(runs)} runs)" if len(shares) < len(runs) else ""
    return f"{mean(shares):.0%} of its time{missed}"


def contact_sheet(rows: list[list[Image.Image]]) -> Image.Image:
    """Rows of drawings: four to a style, two styles beside each other."""
    blocks = [rows[start : start + 4] for start in range(0, len(rows), 4)]
    columns = max(len(row) for row in rows)
    across = 2 * columns * SIDE + GAP
    down = -(-len(blocks) // 2) * (4 * SIDE + GAP)
    sheet = Image.new("RGB", (across, down), "white")
    for place, block in enumerate(blocks):
        left, top = place % 2 * (columns * SIDE + GAP), place // 2 * (4 * SIDE + GAP)
        for down_by, row in enumerate(block):
            for right_by, picture in enumerate(row):
                small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
                sheet.paste(small, (left + right_by * SIDE, top + down_by * SIDE))
    return sheet
