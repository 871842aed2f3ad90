"""Checkpoints: the file, the samples, and the snapshot that remembers both."""

from __future__ import annotations

import time
from pathlib import Path

from gpu.engine import contract
from gpu.engine.failures import Failure
from gpu.engine.pipelines.painting import Recipe, paint
from gpu.engine.report import Interrupted
from gpu.engine.train_lora.metadata import metadata
from gpu.engine.train_lora.session import Session


def mark(session: Session) -> None:
    """What was learned as a file, then samples by the pipeline that generation uses, then a snapshot.

    Step 0 has samples alone, of the base without the style. What an earlier attempt has done is not done again.
    """
    state = session.state
    if state.step in state.sampled:
        return
    path, sha256 = _write(session) if state.step else (None, "")
    styles = [] if path is None else [contract.StyleWeight(path=str(path), sha256=sha256, weight=1.0)]
    try:
        _sample(session, styles)
    except Interrupted as interruption:
        if interruption.outcome == "yielded":
            session.snapshot()
        raise
    state.sampled.append(state.step)
    session.snapshot()


def checkpoint_path(session: Session, step: int) -> Path:
    return Path(session.spec.out_dir) / f"checkpoint-{step:05d}" / "lora.safetensors"


def _write(session: Session) -> tuple[Path, str]:
    """Writes this step's file and, the first time, announces it."""
    spec, state = session.spec, session.state
    norm = session.learner.norm()
    if not norm > 0:
        raise Failure(
            "no_effect",
            "The training changed nothing. Try a higher learning rate or more steps.",
            detail=f"step {state.step}: weight norm {norm}",
            retryable=False,
        )
    path = checkpoint_path(session, state.step)
    sha256 = session.learner.write(path, metadata(spec, session.base, state.step))
    if state.step not in state.checkpoints:
        state.checkpoints.append(state.step)
        session.report.send(
            contract.Checkpoint(
                job=session.report.job,
                ordinal=spec.checkpoint_steps.index(state.step) + 1,
                step=state.step,
                loss=state.loss,
                path=str(path),
                sha256=sha256,
                bytes=path.stat().st_size,
                weight_norm=norm,
            )
        )
    return path, sha256


def _sample(session: Session, styles: list[contract.StyleWeight]) -> None:
    """Pictures at the run's fixed prompts (which carry the trigger word already) and seeds."""
    spec, step, report = session.spec, session.state.step, session.report
    if not spec.samples:
        return
    report.phase("sampling")
    session.mixer.mix(styles)
    for number, sample in enumerate(spec.samples):
        started = time.monotonic()
        recipe = Recipe(
            prompt=sample.prompt,
            negative_prompt="",
            width=session.side,
            height=session.side,
            steps=spec.sample_steps,
            guidance=spec.sample_guidance,
            seed=sample.seed,
        )
        picture = paint(session.base, recipe, lambda *_: report.check())
        path = Path(spec.out_dir) / f"checkpoint-{step:05d}" / f"sample-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
        session.estimate.did("sample", time.monotonic() - started)
        report.send(contract.Sample(job=report.job, step=step, prompt_no=number, seed=sample.seed, path=str(path)))
        session.tell()
    session.mixer.mix([])
    report.phase("training")
