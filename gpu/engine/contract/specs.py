"""What a job is: plain data that says all the engine needs to know."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gpu.engine.contract.plain import Plain

MAX_PROMPT = 1000  # characters
Method = Literal["lora", "dreambooth", "textual_inversion"]
# *fine* is the base's own sampler; *fast* a few-step LoRA without guidance; *draft* reuses deep features (DeepCache)
Tier = Literal["fine", "fast", "draft"]
Move = Literal["push_in", "pull_out", "pan_left", "pan_right", "tilt_up", "tilt_down"]
Optimizer = Literal["adamw", "adamw8bit", "prodigy", "adafactor"]


class StyleWeight(Plain):
    """One style of a mix: a LoRA or a textual inversion. `weight` 1.0 is the style as trained.

    `works` is the file of the features of the works it was learned from: the finished picture is held against them.
    """

    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    weight: float = Field(ge=-2, le=2)
    works: str = ""


class PictureSpec(Plain):
    """What every picture needs. `prompt` already carries the trigger words. Sizes are pixels, multiples of 8."""

    base: str
    out_dir: str
    prompt: str = Field(max_length=MAX_PROMPT)
    negative_prompt: str = Field(default="", max_length=MAX_PROMPT)
    width: int = Field(ge=64, le=2048, multiple_of=8)
    height: int = Field(ge=64, le=2048, multiple_of=8)
    steps: int = Field(ge=1, le=100)
    guidance: float = Field(ge=0, le=30)
    seed: int = Field(ge=0, lt=2**32)
    tier: Tier = "fine"
    styles: list[StyleWeight] = Field(default_factory=list, max_length=8)


class TextToImageSpec(PictureSpec):
    """One picture from words."""

    kind: Literal["text_to_image"] = "text_to_image"


class ImageToImageSpec(PictureSpec):
    """One picture from another, which is fitted to the size. `strength` 0..1: 1 leaves nothing of the source."""

    kind: Literal["image_to_image"] = "image_to_image"
    source: str
    strength: float = Field(gt=0, le=1)


class InpaintSpec(PictureSpec):
    """A part of a picture made anew. `mask` is as large as the source; white is drawn, black stays to the last bit.

    `feather` is the width in pixels of the source over which new passes into old, inside the mask's edge.
    """

    kind: Literal["inpaint"] = "inpaint"
    source: str
    mask: str
    strength: float = Field(default=1.0, gt=0, le=1)
    feather: int = Field(default=8, ge=0, le=256)


class OutpaintSpec(PictureSpec):
    """A picture continued beyond its edges; `width` and `height` are those of the result.

    The source, at its own size times `scale`, lies with its upper left corner at (`left`, `top`) of the result.
    """

    kind: Literal["outpaint"] = "outpaint"
    source: str
    left: int = Field(ge=0, le=2048)
    top: int = Field(ge=0, le=2048)
    scale: float = Field(default=1.0, gt=0, le=8)
    feather: int = Field(default=16, ge=0, le=256)


class UpscaleSpec(PictureSpec):
    """A picture enlarged by `factor`, with detail drawn anew in overlapping tiles of `width` × `height`.

    `strength` 0 only enlarges (with the upscaler of the base's catalogue entry, else by Lanczos).
    """

    kind: Literal["upscale"] = "upscale"
    source: str
    factor: Literal[2, 4] = 2
    strength: float = Field(default=0.25, ge=0, le=0.6)


class ImageToVideoSpec(Plain):
    """A film from one picture by a video model: `frames` a segment, `seconds` in all at `fps`.

    Longer than one segment is either interpolated or chained from the last frame; the artifact says which.
    """

    kind: Literal["image_to_video"] = "image_to_video"
    model: str
    out_dir: str
    source: str
    width: int = Field(ge=64, le=1024, multiple_of=8)
    height: int = Field(ge=64, le=1024, multiple_of=8)
    frames: Literal[14, 25] = 25
    seconds: Literal[4, 6] = 4
    fps: int = Field(default=6, ge=4, le=30)
    steps: int = Field(default=25, ge=1, le=50)
    motion: int = Field(default=127, ge=1, le=255)
    noise: float = Field(default=0.02, ge=0, le=1)
    seed: int = Field(ge=0, lt=2**32)


class CameraMoveSpec(Plain):
    """A film of a still picture: the camera moves over it. No model, nothing in the picture moves."""

    kind: Literal["camera_move"] = "camera_move"
    out_dir: str
    source: str
    move: Move = "push_in"
    width: int = Field(ge=64, le=1920, multiple_of=2)
    height: int = Field(ge=64, le=1920, multiple_of=2)
    seconds: Literal[4, 6] = 4
    fps: int = Field(default=24, ge=4, le=60)


class StudyImage(Plain):
    id: str
    path: str


class StudySpec(Plain):
    """Looking at references before a training: what each shows, and which does not belong with the others.

    Without a `captioner` (a catalogue name) no captions are written.
    """

    kind: Literal["study"] = "study"
    images: list[StudyImage] = Field(min_length=1, max_length=200)
    captioner: str = ""


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
    cache_dir: str = ""  # where encoded references are kept for the next training of the same set; empty: nowhere
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
    # dreambooth: pictures of the class, made by the bare base, are learned beside the references at `prior_weight`
    class_prompt: str = Field(default="", max_length=MAX_PROMPT)
    prior_images: int = Field(default=0, ge=0, le=200)
    prior_weight: float = Field(default=1.0, ge=0, le=2)
    vectors: int = Field(default=4, ge=1, le=16)  # textual inversion: embeddings for the trigger word
    held_out: float = Field(default=0.0, ge=0, le=0.5)  # share of the references that is not learned, only measured
    preflight: bool = True
    flip: bool = False
    caption_dropout: float = Field(default=0.05, ge=0, le=1)
    min_snr_gamma: float = Field(default=5.0, gt=0, le=20)
    seed: int = Field(ge=0, lt=2**32)
    samples: list[SamplePrompt] = Field(default_factory=list, max_length=8)
    sample_steps: int = Field(default=20, ge=1, le=100)
    sample_guidance: float = Field(default=4.0, ge=0, le=30)
    snapshot_every_seconds: float = Field(default=60.0, gt=0)
    metadata: dict[str, str] = Field(default_factory=dict)


Spec = Annotated[
    TextToImageSpec
    | ImageToImageSpec
    | InpaintSpec
    | OutpaintSpec
    | UpscaleSpec
    | ImageToVideoSpec
    | CameraMoveSpec
    | StudySpec
    | TrainLoraSpec,
    Field(discriminator="kind"),
]
