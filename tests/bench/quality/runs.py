"""One training of the benchmark, in a process of its own, on one thread and against the clock.

    python -m tests.bench.quality.runs ours|reference FOLDER --base BASE --seed 1 [--seconds 40]

The clock is the CPU time of this process from its first instruction: imports, loading and preparation count, and what
else the machine does does not. `FOLDER/set.json` holds the references. *Ours* is the product's quick training as it is;
the *reference* trains until the clock has come as far as ours did.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

SHARES = (1 / 6, 1 / 3, 1)  # of our steps, after which a version is kept


def ours(folder: Path, base: str, seed: int) -> list[dict[str, object]]:
    """The engine's own trainer with its quick preset."""
    import torch
    from pydantic import BaseModel

    from gpu.engine import contract, train_lora
    from gpu.engine.catalogue import describe
    from gpu.engine.report import Report
    from gpu.engine.studio import Studio

    torch.set_num_threads(1)
    task = json.loads((folder / "set.json").read_text())
    profile = describe(base).training
    steps = profile.steps(len(task["images"]), "quick")
    out = folder / f"ours-{seed}"
    spec = contract.TrainLoraSpec(
        base=base,
        out_dir=str(out),
        snapshot_dir=str(out / "snapshot"),
        images=[contract.TrainingImage(**image) for image in task["images"]],
        trigger_word=task["trigger_word"],
        steps=steps,
        checkpoint_steps=[round(steps * share) for share in SHARES],
        rank=profile.rank,
        alpha=profile.alpha,
        learning_rate=profile.learning_rate,
        batch=profile.batch,
        resolution=profile.resolution,
        flip=True,
        seed=seed,
        snapshot_every_seconds=3600,
    )
    marks: list[dict[str, object]] = []

    def heard(event: BaseModel) -> None:
        if isinstance(event, contract.Checkpoint):
            marks.append({"step": event.step, "seconds": time.process_time(), "path": event.path})

    report = Report("quality", heard)
    report.begin()
    train_lora.run(spec, Studio("cpu"), report)
    return marks


def reference(folder: Path, base: str, seed: int, seconds: float) -> list[dict[str, object]]:
    """diffusers' published recipe for as long as `seconds` on the clock."""
    import torch
    from PIL import Image

    from tests.bench import reference as plain

    torch.set_num_threads(1)
    task = json.loads((folder / "set.json").read_text())
    parts = plain.load_parts(Path(base), plain.TEXT_TO_IMAGE)
    losses = plain.train_reference(
        parts,
        [Image.open(image["path"]) for image in task["images"]],
        [f"{image['caption']}, {task['trigger_word']}" for image in task["images"]],
        plain.TEXT_TO_IMAGE,
        seed=seed,
        goes_on=lambda _: time.process_time() < seconds,
    )
    out = folder / f"reference-{seed}"
    plain.save(parts, out)
    path = out / "pytorch_lora_weights.safetensors"
    return [{"step": len(losses), "seconds": time.process_time(), "path": str(path)}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=("ours", "reference"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.0)
    options = parser.parse_args()
    if options.recipe == "ours":
        marks = ours(options.folder, options.base, options.seed)
    else:
        marks = reference(options.folder, options.base, options.seed, options.seconds)
    (options.folder / f"{options.recipe}-{options.seed}.json").write_text(json.dumps(marks))


if __name__ == "__main__":
    main()
