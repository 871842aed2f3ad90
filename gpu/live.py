"""What open tabs are told of jobs: "this one changed", or a forming picture. It may be lost; nothing depends on it."""

from __future__ import annotations

from typing import Any

from config.kit.live import group_of, publish
from gpu.models import Job


def announce(job: Job, *, moved: bool = False) -> None:
    """Let the owner's tabs read this job again. `moved`: its state changed, not its progress alone."""
    _publish(job, {"type": "job.changed", "moved": moved})


def preview(job: Job, step: int, webp: str) -> None:
    """Pass on a forming picture (base64). It is stored nowhere."""
    _publish(job, {"type": "job.preview", "step": step, "webp": webp})


def _publish(job: Job, message: dict[str, Any]) -> None:
    publish(group_of(job.owner.public_id), {**message, "job": str(job.public_id)})
