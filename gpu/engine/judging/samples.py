"""The samples of a training, from the disk or made again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from gpu.engine.contract import StyleWeight, TrainLoraSpec
from gpu.engine.lora import Mixer, sha256_of
from gpu.engine.models import Base
from gpu.engine.pipelines.painting import Recipe, paint
from gpu.engine.report import Report

Samples = dict[int, list[Image.Image]]  # by step, in the order of the prompts


def gather(spec: TrainLoraSpec, base: Base, mixer: Mixer, steps: Sequence[int], report: Report) -> Samples:
    """The pictures of every step that has them, or has the LoRA to paint them. Leaves the base bare."""
    found = {step: _of_step(spec, base, mixer, step, report) for step in steps}
    mixer.mix([])
    return {step: pictures for step, pictures in found.items() if pictures}


def _of_step(spec: TrainLoraSpec, base: Base, mixer: Mixer, step: int, report: Report) -> list[Image.Image]:
    folder = Path(spec.out_dir) / f"checkpoint-{step:05d}"
    paths = [folder / f"sample-{number}.png" for number in range(len(spec.samples))]
    if not all(path.is_file() for path in paths):
        lora = folder / "lora.safetensors"
        if step and not lora.is_file():
            return []
        mixer.mix([StyleWeight(path=str(lora), sha256=sha256_of(lora), weight=1.0)] if step else [])
    return [
        _open(path) if path.is_file() else _paint(spec, base, number, path, report) for number, path in enumerate(paths)
    ]


def _open(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _paint(spec: TrainLoraSpec, base: Base, number: int, path: Path, report: Report) -> Image.Image:
    side = spec.resolution // base.stride * base.stride
    recipe = Recipe(
        prompt=spec.samples[number].prompt,
        negative_prompt="",
        width=side,
        height=side,
        steps=spec.sample_steps,
        guidance=spec.sample_guidance,
        seed=spec.samples[number].seed,
    )
    picture = paint(base, recipe, lambda *_: heed(report))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return picture


def heed(report: Report) -> None:
    """Raises Interrupted for a cancel or a yield. After a stop the judging is what is still to be done."""
    if report.wanted != "stopped":
        report.check()


def asked(prompt: str, trigger_word: str) -> str:
    """What a sample's prompt asks for, without the word that only the style knows."""
    return " ".join(prompt.replace(trigger_word, "").split()).strip(" ,")
