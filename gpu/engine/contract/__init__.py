"""What the worker and the engine say to each other: one JSON object a line, plain data only.

The worker writes commands to the engine's stdin, the engine writes events to its stdout. Files travel as
paths on a disk both can see; the engine writes only below `out_dir` and `snapshot_dir` of the spec it got.
This package is light on purpose: it imports neither torch nor Django, so both sides may import it.
"""

from __future__ import annotations

from pydantic import BaseModel, TypeAdapter, ValidationError

from gpu.engine.contract.commands import (
    Cancel,
    Command,
    Ping,
    Quit,
    Run,
    Stop,
    Yield,
)
from gpu.engine.contract.events import (
    PICTURE_PHASES,
    PROTOCOL,
    TRAINING_PHASES,
    Adapted,
    Artifact,
    Bucket,
    Checkpoint,
    Done,
    Error,
    Event,
    Hello,
    Judged,
    Likeness,
    Metric,
    Outcome,
    Phase,
    Planned,
    Pong,
    Preview,
    Progress,
    Sample,
    Snapshot,
    Studied,
    Verdict,
    Works,
)
from gpu.engine.contract.plain import (
    Plain,
)
from gpu.engine.contract.specs import (
    MAX_PROMPT,
    CameraMoveSpec,
    ImageToImageSpec,
    ImageToVideoSpec,
    InpaintSpec,
    Method,
    Move,
    Optimizer,
    OutpaintSpec,
    PictureSpec,
    SamplePrompt,
    Spec,
    StudyImage,
    StudySpec,
    StyleWeight,
    TextToImageSpec,
    Tier,
    TrainingImage,
    TrainLoraSpec,
    UpscaleSpec,
)

__all__ = [
    "Adapted",
    "Artifact",
    "Bucket",
    "CameraMoveSpec",
    "Cancel",
    "Checkpoint",
    "Command",
    "Done",
    "Error",
    "Event",
    "Hello",
    "ImageToImageSpec",
    "ImageToVideoSpec",
    "InpaintSpec",
    "Judged",
    "Likeness",
    "MAX_PROMPT",
    "Malformed",
    "Method",
    "Metric",
    "Move",
    "Optimizer",
    "Outcome",
    "OutpaintSpec",
    "PICTURE_PHASES",
    "PROTOCOL",
    "Phase",
    "PictureSpec",
    "Ping",
    "Plain",
    "Planned",
    "Pong",
    "Preview",
    "Progress",
    "Quit",
    "Run",
    "Sample",
    "SamplePrompt",
    "Snapshot",
    "Spec",
    "Stop",
    "Studied",
    "StudyImage",
    "StudySpec",
    "StyleWeight",
    "TRAINING_PHASES",
    "TextToImageSpec",
    "Tier",
    "TrainLoraSpec",
    "TrainingImage",
    "UpscaleSpec",
    "Verdict",
    "Works",
    "Yield",
    "read_command",
    "read_event",
    "to_line",
]

_COMMAND: TypeAdapter[Command] = TypeAdapter(Command)
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Malformed(ValueError):
    """A line or a spec that does not fit the contract. The message names the field."""


def to_line(message: BaseModel) -> str:
    """One JSON line, newline included."""
    return message.model_dump_json() + "\n"


def read_command(line: str) -> Command:
    try:
        return _COMMAND.validate_json(line)
    except ValidationError as error:
        raise Malformed(_first_fault(error)) from error


def read_event(line: str) -> Event:
    try:
        return _EVENT.validate_json(line)
    except ValidationError as error:
        raise Malformed(_first_fault(error)) from error


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"]) or "line"
    return f"{where}: {fault['msg']}"
