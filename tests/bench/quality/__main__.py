"""`python -m tests.bench.quality`: a style learned by our recipe and by diffusers' published one, on the same clock.

For every held-out style and seed both train from the same pictures, then everybody draws subjects that no run has seen,
by diffusers alone and from the same seeds. Figures go to `var/bench/quality.json` as they come, and a run that was
interrupted goes on where it was; at the end table and sheet go into `docs/quality.md`. It wants npm, `resvg_py` and the
network the first time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.utils import logging as quiet
from PIL import Image

from gpu.engine.catalogue import STARTER_FOLDER
from gpu.engine.starter.recipe import sheet
from tests.bench.quality import page, styles
from tests.bench.quality.measure import Eye, Judge
from tests.bench.quality.page import SEEDS

TRIGGER = "mizgolat"
DRAWN_FROM = 2000  # seeds of the drawings: of run n they begin at n times this
SHOWN = 6  # drawings of a style on the sheet


class Bench:
    def __init__(self, base: Path, packages: Path, target: Path) -> None:
        self.base, self.packages, self.target = base, packages, target
        self.work = target.parent / "quality"
        self.figures: dict[str, Any] = json.loads(target.read_text()) if target.exists() else {}
        self.pipeline = StableDiffusionXLPipeline.from_pretrained(base, torch_dtype=torch.float32)
        self.eye = Eye()

    def run(self, style: styles.Style, seed: int) -> None:
        """Both recipes once, and the base beside them; skipped if the figures are there."""
        done = self.figures.setdefault(style.name, {})
        if str(seed) in done:
            return
        task = styles.load(style, self.packages)
        folder = self.work / style.name
        self.write_set(task, folder)
        judge = Judge(self.eye, task.tried, task.others)
        ours = self.train("ours", folder, seed)
        reference = self.train("reference", folder, seed, seconds=float(ours[-1]["seconds"]))
        drawings = folder / f"drawn-{seed}"
        done["floor"] = judge.floor()
        done[str(seed)] = {
            "base": self.judged(judge, task, seed, drawings / "base", {}),
            "reference": [self.judged(judge, task, seed, drawings / "reference", mark) for mark in reference],
            "ours": [self.judged(judge, task, seed, drawings / f"ours-{mark['step']}", mark) for mark in ours],
        }
        part = self.target.with_suffix(".part")
        part.write_text(json.dumps(self.figures, indent=1))
        part.replace(self.target)

    def write_set(self, task: styles.Task, folder: Path) -> None:
        """The references as an artist would bring them."""
        images = []
        for kind, pictures in (("learned", task.learned), ("true", task.tried)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            for code, picture in pictures.items():
                path = folder / kind / f"{code}.png"
                picture.save(path)
                if kind == "learned":
                    images.append({"id": code, "path": str(path.resolve()), "caption": task.caption(code)})
        (folder / "set.json").write_text(json.dumps({"images": images, "trigger_word": TRIGGER}))

    def train(self, recipe: str, folder: Path, seed: int, seconds: float = 0.0) -> list[dict[str, Any]]:
        """In a process of its own. What was trained before is not trained again."""
        kept = folder / f"{recipe}-{seed}.json"
        if not kept.exists():
            command = [sys.executable, "-m", "tests.bench.quality.runs", recipe, str(folder.resolve())]
            options = ["--base", str(self.base.resolve()), "--seed", str(seed), "--seconds", str(seconds)]
            subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
        return list(json.loads(kept.read_text()))

    def judged(self, judge: Judge, task: styles.Task, seed: int, folder: Path, mark: dict[str, Any]) -> dict[str, Any]:
        """Draws the tried subjects, keeps the drawings, measures them."""
        if mark:
            self.pipeline.load_lora_weights(mark["path"])
        prompts = [f"{task.caption(code)}, {TRIGGER}" for code in task.tried]
        drawn = sheet.draw_all(self.pipeline, prompts, seed=DRAWN_FROM * seed, batch=styles.TRIED)
        self.pipeline.unload_lora_weights()
        folder.mkdir(parents=True, exist_ok=True)
        for code, picture in zip(task.tried, drawn, strict=True):
            picture.save(folder / f"{code}.png")
        figures = {"step": mark.get("step", 0), "seconds": mark.get("seconds", 0.0), **asdict(judge.measure(drawn))}
        print(f"{folder.relative_to(self.work)}: " + " ".join(f"{k} {v:.3g}" for k, v in figures.items()), flush=True)
        return figures

    def sheets(self, target: Path) -> None:
        """For each style: true pictures, then base, reference and ours from the same seeds (the first run's)."""
        rows: list[list[Image.Image]] = []
        for style in styles.STYLES:
            if style.tuning or str(SEEDS[0]) not in self.figures.get(style.name, {}):
                continue
            folder = self.work / style.name
            codes = [path.stem for path in sorted((folder / "true").glob("*.png"))][:SHOWN]
            last = self.figures[style.name][str(SEEDS[0])]["ours"][-1]["step"]
            drawn = folder / f"drawn-{SEEDS[0]}"
            for part in (folder / "true", drawn / "base", drawn / "reference", drawn / f"ours-{last}"):
                rows.append([Image.open(part / f"{code}.png") for code in codes])
        page.contact_sheet(rows).save(target, quality=78, method=6)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=Path, default=STARTER_FOLDER)
    parser.add_argument("--packages", type=Path, default=Path.home() / ".cache/artistcloner-starter/packages")
    parser.add_argument("--target", type=Path, default=Path("var/bench/quality.json"))
    parser.add_argument("--tuning", action="store_true", help="the two styles that our settings were chosen on")
    parser.add_argument("--page-only", action="store_true", help="write the table and the sheet of what is measured")
    options = parser.parse_args()
    torch.set_num_threads(1)
    quiet.set_verbosity_error()  # it wonders at every LoRA that leaves the text encoders alone
    options.target.parent.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.base, options.packages, options.target)
    if not options.page_only:
        for seed in SEEDS:  # every style once before any is repeated
            for style in styles.STYLES:
                if style.tuning == options.tuning:
                    bench.run(style, seed)
    if not options.tuning:
        bench.sheets(Path("docs/img/quality-sheet.webp"))
        page.write(Path("docs/quality.md"), bench.figures)


if __name__ == "__main__":
    main()
