"""Two kinds of job for the tests of the queue: short ones that draw and long ones that learn, on the fake engine.

What the engine shall do (see `tests.fakes.engine`) and what came of it lie in files, so that a worker in another
process sees them as well.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.utils.html import format_html

from gpu import kinds
from gpu.engine import contract
from gpu.kinds import JobKind
from gpu.models import Job

SHORT, LONG = "probe", "long_probe"
CREDITS_DELIVERED = 3


def write_script(words: str) -> uuid.UUID:
    """A subject for a job that follows these words."""
    subject = uuid.uuid4()
    _file(subject, "script").write_text(words)
    return subject


def heard_of(subject: uuid.UUID) -> list[str]:
    """What the kind was told, in order: `event <name>`, `success`, `end`, `requeue`, `spec <fence>`."""
    path = _file(subject, "heard")
    return path.read_text().splitlines() if path.exists() else []


def register() -> None:
    for name, build_spec in ((SHORT, _picture), (LONG, _training)):
        kinds.register(
            JobKind(
                name=name,
                build_spec=build_spec,
                on_event=_on_event,
                on_success=_on_success,
                on_end=lambda job: _hear(job, "end"),
                on_requeue=lambda job: _hear(job, "requeue"),
                render=lambda job: format_html('<p id="probe-{}">{} {}</p>', job.public_id, job.state, job.step),
                render_preview=lambda job, step, webp: format_html('<i id="preview">{} {}</i>', step, len(webp)),
                describe=lambda job: ("A probe", "/studio/"),
                gives_way=name == LONG,
            )
        )


def _picture(job: Job, workdir: Path) -> contract.Spec:
    _hear(job, f"spec {job.fence}")
    return contract.TextToImageSpec(
        base="fake",
        out_dir=str(workdir),
        prompt=_file(job.subject, "script").read_text(),
        width=64,
        height=64,
        steps=5,
        guidance=4,
        seed=1,
    )


def _training(job: Job, workdir: Path) -> contract.Spec:
    _hear(job, f"spec {job.fence}")
    words = _file(job.subject, "script").read_text()
    return contract.TrainLoraSpec(
        base="fake",
        out_dir=str(workdir),
        snapshot_dir=str(workdir.parent / "snapshot"),
        images=[contract.TrainingImage(id="1", path="/none", caption="")],
        trigger_word="probe",
        steps=20,
        checkpoint_steps=[10, 20],
        rank=4,
        alpha=4,
        learning_rate=1e-3,
        batch=1,
        resolution=64,
        seed=1,
        metadata={"fake": words},
    )


def _on_event(job: Job, event: contract.Event) -> None:
    if path := getattr(event, "path", None):
        assert Path(path).exists(), "what the engine made is there while its event is kept"
    if "unstorable" in _file(job.subject, "script").read_text():
        raise OSError("the disk is full")
    step = getattr(event, "step", "")
    _hear(job, f"event {event.event} {step}".strip())


def _on_success(job: Job, done: contract.Done) -> int:
    _hear(job, f"success {done.outcome}")
    return min(CREDITS_DELIVERED, job.price)


def _hear(job: Job, what: str) -> None:
    with _file(job.subject, "heard").open("a") as file:
        file.write(what + "\n")


def _file(subject: uuid.UUID, name: str) -> Path:
    folder = Path(settings.STATE_DIR) / "probe"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{subject}.{name}"
