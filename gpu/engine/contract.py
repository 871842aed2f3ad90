"""What the worker and the engine say to each other: one JSON object a line, plain data only.

The worker writes commands to the engine's stdin, the engine writes events to its stdout. Files travel as
paths on a disk both can see; the engine writes only below `out_dir` and `snapshot_dir` of the spec it got.
This module is light on purpose: it imports neither torch nor Django, so both sides may import it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

PROTOCOL = 1

# The words an artist reads, in the order in which a training goes through them.
TRAINING_PHASES = ("checking", "preparing", "encoding", "training", "sampling", "finishing")
PICTURE_PHASES = ("preparing", "denoising", "finishing")

MAX_PROMPT = 1000  # characters
Method = Literal["lora"]
Optimizer = Literal["adamw", "adamw8bit", "prodigy", "adafactor"]


class Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# --- specs -----------------------------------------------------------------------------------------------------


class StyleWeight(Plain):
    """One LoRA of a mix. `weight` 1.0 is the style as trained."""

    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    weight: float = Field(ge=-2, le=2)


class TextToImageSpec(Plain):
    """One picture. `prompt` already carries the trigger words. Sizes are pixels, multiples of 8."""

    kind: Literal["text_to_image"] = "text_to_image"
    base: str
    out_dir: str
    prompt: str = Field(max_length=MAX_PROMPT)
    negative_prompt: str = Field(default="", max_length=MAX_PROMPT)
    width: int = Field(ge=64, le=2048, multiple_of=8)
    height: int = Field(ge=64, le=2048, multiple_of=8)
    steps: int = Field(ge=1, le=100)
    guidance: float = Field(ge=0, le=30)
    seed: int = Field(ge=0, lt=2**32)
    styles: list[StyleWeight] = Field(default_factory=list, max_length=8)


class TrainingImage(Plain):
    """One normalised reference: upright sRGB, no metadata. `caption` says what is seen, never the style."""

    id: str
    path: str
    caption: str = Field(max_length=MAX_PROMPT)


class SamplePrompt(Plain):
    prompt: str = Field(max_length=MAX_PROMPT)
    seed: int = Field(ge=0, lt=2**32)


class TrainLoraSpec(Plain):
    """One LoRA run. `checkpoint_steps` is ascending and ends with `steps`."""

    kind: Literal["train_lora"] = "train_lora"
    base: str
    out_dir: str
    snapshot_dir: str
    images: list[TrainingImage] = Field(min_length=1, max_length=200)
    trigger_word: str = Field(min_length=1, max_length=60)
    steps: int = Field(ge=1, le=20_000)
    checkpoint_steps: list[int] = Field(min_length=1, max_length=20)
    rank: int = Field(ge=1, le=128)
    alpha: float = Field(gt=0, le=256)
    learning_rate: float = Field(gt=0, le=1e-2)
    batch: int = Field(ge=1, le=64)
    resolution: int = Field(ge=64, le=2048, multiple_of=8)
    optimizer: Optimizer = "adamw"
    method: Method = "lora"
    flip: bool = False
    caption_dropout: float = Field(default=0.05, ge=0, le=1)
    min_snr_gamma: float = Field(default=5.0, gt=0, le=20)
    seed: int = Field(ge=0, lt=2**32)
    samples: list[SamplePrompt] = Field(default_factory=list, max_length=8)
    sample_steps: int = Field(default=20, ge=1, le=100)
    sample_guidance: float = Field(default=4.0, ge=0, le=30)
    snapshot_every_seconds: float = Field(default=60.0, gt=0)
    metadata: dict[str, str] = Field(default_factory=dict)


Spec = Annotated[TextToImageSpec | TrainLoraSpec, Field(discriminator="kind")]


# --- commands, to the engine -----------------------------------------------------------------------------------


class Run(Plain):
    command: Literal["run"] = "run"
    job: str
    spec: Spec


class Stop(Plain):
    """End soon and keep what is finished (a training ends with the checkpoints it has)."""

    command: Literal["stop"] = "stop"
    job: str


class Cancel(Plain):
    command: Literal["cancel"] = "cancel"
    job: str


class Yield(Plain):
    """Write a snapshot and leave the GPU: the run goes on later. Also what a shutdown asks for."""

    command: Literal["yield"] = "yield"
    job: str


class Ping(Plain):
    command: Literal["ping"] = "ping"


class Quit(Plain):
    command: Literal["quit"] = "quit"


Command = Annotated[Run | Stop | Cancel | Yield | Ping | Quit, Field(discriminator="command")]


# --- events, from the engine -----------------------------------------------------------------------------------


class Hello(Plain):
    event: Literal["hello"] = "hello"
    protocol: int = PROTOCOL
    device: str
    memory_bytes: int = 0


class Pong(Plain):
    """The answer to a ping: the process lives, however long its job is silent."""

    event: Literal["pong"] = "pong"


class Phase(Plain):
    event: Literal["phase"] = "phase"
    job: str
    phase: str


class Progress(Plain):
    """`fraction` of the whole job, 0..1, never falling; `step` of `steps` within the main phase."""

    event: Literal["progress"] = "progress"
    job: str
    fraction: float = Field(ge=0, le=1)
    step: int = 0
    steps: int = 0
    eta_seconds: float | None = None


class Metric(Plain):
    event: Literal["metric"] = "metric"
    job: str
    step: int
    loss: float


class Preview(Plain):
    """A forming picture: WebP, base64, at most 16 kB decoded. May be dropped at any time."""

    event: Literal["preview"] = "preview"
    job: str
    step: int
    webp: str


class Bucket(Plain):
    """The size at which a reference is seen in training. `kept` is the share of its area that the crop leaves."""

    event: Literal["bucket"] = "bucket"
    job: str
    image: str
    width: int
    height: int
    kept: float


class Sample(Plain):
    """A PNG at fixed prompt and seed. `step` 0 is the base without the style."""

    event: Literal["sample"] = "sample"
    job: str
    step: int
    prompt_no: int
    seed: int
    path: str


class Snapshot(Plain):
    event: Literal["snapshot"] = "snapshot"
    job: str
    step: int
    path: str


class Checkpoint(Plain):
    """A version the artist can look at and pay for. `weight_norm` is the Frobenius norm of the learned delta."""

    event: Literal["checkpoint"] = "checkpoint"
    job: str
    ordinal: int
    step: int
    loss: float
    path: str
    sha256: str
    bytes: int
    weight_norm: float


class Artifact(Plain):
    event: Literal["artifact"] = "artifact"
    job: str
    path: str
    width: int
    height: int
    seed: int


Outcome = Literal["finished", "stopped", "cancelled", "yielded"]


class Done(Plain):
    event: Literal["done"] = "done"
    job: str
    outcome: Outcome
    seconds: float
    peak_bytes: int = 0


class Error(Plain):
    """`say` is for the artist, `detail` for staff. `retryable` is False where another try must fail the same way."""

    event: Literal["error"] = "error"
    job: str
    code: str
    say: str
    detail: str = ""
    retryable: bool = True


Event = Annotated[
    Hello
    | Pong
    | Phase
    | Progress
    | Metric
    | Preview
    | Bucket
    | Sample
    | Snapshot
    | Checkpoint
    | Artifact
    | Done
    | Error,
    Field(discriminator="event"),
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
