"""Step 6: does a style that the base has never seen take? A LoRA on 24 OpenMoji pictures, by the product's own trainer.

    python -m gpu.engine.starter.recipe.trial --home DIR --weights FOLDER --out DIR --steps 300

Prints, for subjects that were not among the 24, how far the look is from OpenMoji's and whether the subject is
still found, before and after; and writes a sheet in rows of three: truth, base, base with LoRA.
"""

import argparse
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

from . import captions, draw, measure, prepare, sheet, sources

log = logging.getLogger(__name__)

STYLE = "openmoji"
TRIGGER = "inkline"
REFERENCES = 24
NEW_SUBJECTS = 32
SEED = 2000


def choose(codes: list[str]) -> tuple[list[str], list[str]]:
    """Subjects to learn from, and as many others to be tried on; the same ones every time."""
    shuffled = Random(STYLE).sample(codes, len(codes))
    return shuffled[:REFERENCES], shuffled[REFERENCES : REFERENCES + NEW_SUBJECTS]


def write_references(packages: Path, codes: list[str], target: Path) -> dict[str, Path]:
    """The true pictures on white, as an artist would bring them."""
    source = next(source for source in sources.SOURCES if source.style == STYLE)
    names = sources.read_subjects()
    svgs = sources.read_pictures(packages, source, {code: names[code] for code in codes})
    target.mkdir(parents=True, exist_ok=True)
    paths: dict[str, Path] = {}
    for code, svg in svgs.items():
        paths[code] = target / f"{code}.png"
        icon = draw.rasterise(svg)
        if icon is not None:
            draw.compose(icon, draw.Placing()).save(paths[code])
    return paths


def specification(options: argparse.Namespace, references: dict[str, Path], names: dict[str, str]) -> dict[str, object]:
    return {
        "kind": "train_lora",
        "base": str(options.weights),
        "out_dir": str(options.out / "trained"),
        "snapshot_dir": str(options.out / "snapshot"),
        "images": [
            {"id": code, "path": str(path), "caption": captions.with_article(names[code])}
            for code, path in references.items()
        ],
        "trigger_word": TRIGGER,
        "steps": options.steps,
        "checkpoint_steps": [options.steps],
        "rank": options.rank,
        "alpha": options.rank,
        "learning_rate": options.rate,
        "batch": options.batch,
        "resolution": draw.SIDE,
        "flip": True,
        "seed": 1,
        "snapshot_every_seconds": 3600,
    }


def report(name: str, drawn: torch.Tensor, codes: list[str], truth: tuple[list[str], torch.Tensor]) -> None:
    all_codes, latents = truth
    right = [all_codes.index(code) for code in codes]
    found = measure.ranks(drawn, latents, right)
    log.info(
        f"{name}: distance to the look {measure.frechet(drawn, latents[right]):.2f}, "
        f"subject first {(found == 1).float().mean():.2f}, among five {(found <= 5).float().mean():.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    names = sources.read_subjects()
    truth = measure.true_pictures(options.home / "held_out.safetensors", STYLE)
    learned, new = choose(truth[0])
    references = write_references(options.home / "packages", learned, options.out / "references")
    path = options.out / "spec.json"
    path.write_text(json.dumps(specification(options, references, names), indent=2))
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "gpu.engine", "run", str(path)], check=True, stdout=subprocess.DEVNULL)
    log.info(f"{options.steps} steps of {options.batch}: {time.monotonic() - started:.0f} s")

    pipeline = StableDiffusionXLPipeline.from_pretrained(options.weights, torch_dtype=torch.float32)
    prompts = [f"{captions.with_article(names[code])}, {TRIGGER}" for code in new]
    before = sheet.draw_all(pipeline, prompts, seed=SEED)
    pipeline.load_lora_weights(str(options.out / "trained" / f"checkpoint-{options.steps:05d}" / "lora.safetensors"))
    after = sheet.draw_all(pipeline, prompts, seed=SEED)
    report("before", prepare.encode(pipeline.vae, before).float(), new, truth)
    report("after", prepare.encode(pipeline.vae, after).float(), new, truth)
    true = write_references(options.home / "packages", new, options.out / "truth")
    rows: list[Image.Image] = []
    labels: list[str] = []
    for start in range(0, 16, 8):
        codes = new[start : start + 8]
        rows += [Image.open(true[code]) for code in codes] + before[start : start + 8] + after[start : start + 8]
        labels += [names[code] for code in codes] + ["base"] * 8 + ["with LoRA"] * 8
    sheet.contact_sheet(rows, labels).save(options.out / "sheet.png")


if __name__ == "__main__":
    main()
