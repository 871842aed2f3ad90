"""From the engine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gpu.engine.contract.plain import Plain

PROTOCOL = 1
# The words an artist reads, in the order in which a training goes through them.
TRAINING_PHASES = ("checking", "preparing", "encoding", "training", "sampling", "judging", "finishing")
PICTURE_PHASES = ("preparing", "denoising", "finishing")


class Hello(Plain):
    event: Literal["hello"] = "hello"
    protocol: int = PROTOCOL
    device: str
    memory_bytes: int = 0
    profile: str = ""  # by which it plans its memory
    budget_bytes: int = 0  # the most it will hold


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


class Planned(Plain):
    """The memory plan that a job starts with, and after each rung of the ladder: what it will take at most."""

    event: Literal["planned"] = "planned"
    job: str
    profile: str
    predicted_bytes: int


class Adapted(Plain):
    """Something was changed so that the job could go on, for want of memory or of a part. `say` tells the artist."""

    event: Literal["adapted"] = "adapted"
    job: str
    code: str
    say: str


class Metric(Plain):
    """`held_out` is the loss on references that are not learned, at fixed noise and timesteps; rarer than `loss`."""

    event: Literal["metric"] = "metric"
    job: str
    step: int
    loss: float
    held_out: float | None = None


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


class Judged(Plain):
    """What one checkpoint is worth, each from 0 to 1: likeness to the works, obedience to prompts, and leak risk.

    `score` is what the ranking goes by; `say` is the reason in plain words.
    """

    step: int
    score: float
    likeness: float
    following: float
    leak: float
    say: str


class Verdict(Plain):
    """The explained pick, once, at the end of a training: every checkpoint judged, the best first, three finalists."""

    event: Literal["verdict"] = "verdict"
    job: str
    judged: list[Judged]
    finalists: list[int]  # steps, the best first
    say: str


class Works(Plain):
    """The features of the learned works, as one file: what later pictures are held against."""

    event: Literal["works"] = "works"
    job: str
    path: str
    sha256: str


class Studied(Plain):
    """One reference as seen before a training. `oddness` 0..1: how far it stands from the rest of its set."""

    event: Literal["studied"] = "studied"
    job: str
    image: str
    caption: str = ""
    oddness: float
    odd: bool


class Artifact(Plain):
    """A finished file: a PNG, or an MP4 with a `poster` (PNG), `seconds` and `fps`. `say` tells how it was made."""

    event: Literal["artifact"] = "artifact"
    job: str
    path: str
    width: int
    height: int
    seed: int
    poster: str = ""
    seconds: float | None = None
    fps: int | None = None
    say: str = ""


class Likeness(Plain):
    """The learned work that a finished picture comes nearest to. `near` means that it may be a copy of it.

    `work` is the reference's id in its training, `style` the sha256 of the LoRA it was learned by, `hash_bits` how many
    of 64 bits of the perceptual hashes differ, `similarity` the cosine of the features.
    """

    event: Literal["likeness"] = "likeness"
    job: str
    style: str
    work: str
    similarity: float
    hash_bits: int
    near: bool


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
    | Planned
    | Adapted
    | Metric
    | Preview
    | Bucket
    | Sample
    | Snapshot
    | Checkpoint
    | Verdict
    | Works
    | Studied
    | Artifact
    | Likeness
    | Done
    | Error,
    Field(discriminator="event"),
]
