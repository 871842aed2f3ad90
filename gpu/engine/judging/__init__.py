"""After a training: which checkpoint is worth taking, and why; and what later pictures are held against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gpu.engine import contract
from gpu.engine.contract import TrainingImage, TrainLoraSpec
from gpu.engine.dataset import open_reference
from gpu.engine.judging import features, pick, works
from gpu.engine.judging.samples import asked, gather, heed
from gpu.engine.lora import Mixer
from gpu.engine.models import Base
from gpu.engine.report import Report

__all__ = ["features", "pick", "run", "works"]


def run(
    spec: TrainLoraSpec,
    base: Base,
    mixer: Mixer,
    checkpoints: Sequence[int],
    references: Sequence[TrainingImage],
    report: Report,
) -> None:
    """Judges the checkpoints (their steps, ascending) of a training against the works it learned from.

    Sends Works, then Verdict. Samples are read from `out_dir/checkpoint-<step>/`; those that are missing are painted
    again from that folder's LoRA at the same seeds. Also right after a stop: only a cancel or a yield interrupts it.
    """
    report.phase("judging")
    if not checkpoints:
        return
    pictures = [open_reference(Path(image.path)) for image in references]
    known = works.learn([image.id for image in references], pictures)
    path = Path(spec.out_dir) / works.NAME
    report.send(contract.Works(job=report.job, path=str(path), sha256=works.write(path, known)))
    samples = gather(spec, base, mixer, [0, *checkpoints], report)
    prompts = [asked(sample.prompt, spec.trigger_word) for sample in spec.samples]
    verdict = pick.judge(checkpoints, samples, prompts, pictures, known, base, lambda: heed(report))
    report.send(contract.Verdict(job=report.job, judged=verdict.judged, finalists=verdict.finalists, say=verdict.say))
