"""The bases on offer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from gpu.engine.catalogue.buckets import Size
from gpu.engine.catalogue.models import model
from gpu.engine.contract.specs import Tier
from gpu.engine.starter import ANCHORS

Purpose = Literal["style", "person", "character"]
Quality = Literal["quick", "standard", "fine"]
DeviceKind = Literal["cpu", "cuda"]

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
QUALITIES: tuple[Quality, ...] = ("quick", "standard", "fine")
# What a step costs beside a LoRA's: DreamBooth sees as many pictures of the class, a learned word goes back through
# both text encoders.
STEP_COSTS: Mapping[str, float] = MappingProxyType({"dreambooth": 2.0, "textual_inversion": 1.3})
TRIAL_STEPS = 4  # a training is tried out before it starts: two steps, and a picture that takes about as long
CHECKPOINTS: Mapping[Quality, int] = MappingProxyType({"quick": 2, "standard": 4, "fine": 6})


@dataclass(frozen=True)
class TrainingProfile:
    """One tested recipe. Seconds are of a warm machine: two CPU cores, or a GPU of the 8 GB class."""

    rank: int
    alpha: float
    learning_rate: float
    batch: int
    micro_batch: int  # pictures in one forward pass; a batch beyond it is accumulated
    resolution: int
    resolutions: tuple[int, ...]
    targets: tuple[str, ...]  # endings of the module names that get a LoRA
    steps_per_image: Mapping[Quality, int]
    min_steps: int
    max_steps: int
    sample_count: int
    seconds_per_step: Mapping[DeviceKind, float]
    seconds_per_sample: Mapping[DeviceKind, float]
    seconds_before: Mapping[DeviceKind, float]  # loading, checking and encoding
    gradient_checkpointing: bool = False
    anchors: tuple[str, ...] = ()  # subjects that a style must leave as they are: gpu/engine/anchors.py

    def steps(self, images: int, quality: Quality, purpose: Purpose = "style") -> int:
        """Optimizer steps for a set of `images`, within the bounds. A person or a character takes twice a style's."""
        factor = 1 if purpose == "style" else 2
        return max(self.min_steps, min(self.max_steps, images * self.steps_per_image[quality] * factor))

    def checkpoint_steps(self, steps: int, quality: Quality) -> list[int]:
        """Evenly spread, ascending, ending with `steps`."""
        count = min(CHECKPOINTS[quality], steps)
        return [round(steps * (n + 1) / count) for n in range(count)]

    def step_seconds(self, device: DeviceKind, *, batch: int = 0, resolution: int = 0, method: str = "lora") -> float:
        """One step of `batch` pictures of `resolution` pixels a side; 0 for both: as the recipe has them."""
        pictures = (batch or self.batch) / self.batch
        area = ((resolution or self.resolution) / self.resolution) ** 2
        return self.seconds_per_step[device] * pictures * area * STEP_COSTS.get(method, 1.0)

    def seconds(
        self,
        steps: int,
        checkpoints: int,
        device: DeviceKind,
        *,
        batch: int = 0,
        resolution: int = 0,
        method: str = "lora",
        prior_images: int = 0,
    ) -> float:
        """What a run will take, shown before it starts: trying it out, class pictures and all.

        The samples without the style count as one checkpoint.
        """
        step = self.step_seconds(device, batch=batch, resolution=resolution, method=method)
        pictures = (checkpoints + 1) * self.sample_count + prior_images
        return self.seconds_before[device] + (steps + TRIAL_STEPS) * step + pictures * self.seconds_per_sample[device]


@dataclass(frozen=True)
class BaseFacts:
    """What a user may know of a base. Sizes are (width, height) in pixels; the first is its native one."""

    name: str
    title: str
    say: str  # shown where a user meets it
    licence: str
    native: int
    stride: int  # sides are multiples of this: eight pixels a latent, halved once for each level of the UNet but one
    sizes: tuple[Size, ...]
    steps: int
    max_steps: int
    guidance: float
    seconds_per_picture: Mapping[DeviceKind, float]
    training: TrainingProfile
    repository: str = ""  # on the Hugging Face hub; empty for a folder
    revision: str = ""
    vae_repository: str = ""
    vae_revision: str = ""
    folder: str = ""
    # further models by their catalogue names, empty where the base has none
    preview_vae: str = ""
    fast: str = ""  # the few-step LoRA of the tier *fast*
    inpaint: str = ""
    upscaler: str = ""
    video: str = ""  # empty: films are camera moves over the still picture
    tiers: tuple[Tier, ...] = ("fine", "draft")
    fast_steps: int = 4
    # laid over the scheduler's own configuration; `_class_name` replaces the sampler itself
    fast_sampler: Mapping[str, Any] = field(default_factory=dict)
    sampler: Mapping[str, Any] = field(default_factory=dict)


STARTER_FOLDER = Path(__file__).parent.parent / "starter" / "weights"

STARTER = BaseFacts(
    name="starter",
    title="Starter",
    say="A small bundled base for trying the product out; SDXL is for work.",
    licence="Apache-2.0 and CC-BY-4.0 sources; see gpu/engine/starter",
    native=128,
    stride=32,
    sizes=((128, 128), (96, 128), (128, 96), (160, 128), (128, 160)),
    steps=20,
    max_steps=50,
    guidance=4.0,
    seconds_per_picture={"cpu": 2.0, "cuda": 0.5},
    folder=str(STARTER_FOLDER),
    training=TrainingProfile(
        rank=16,
        alpha=16.0,
        learning_rate=1e-3,
        batch=8,
        micro_batch=8,
        resolution=128,
        resolutions=(128,),
        targets=(*ATTENTION, "conv1", "conv2"),  # its attention works on 8x8 latents and less: lines need convolutions
        steps_per_image={"quick": 10, "standard": 28, "fine": 56},
        min_steps=200,
        max_steps=4000,
        sample_count=4,
        seconds_per_step={"cpu": 0.4, "cuda": 0.05},
        seconds_per_sample={"cpu": 1.5, "cuda": 0.5},
        seconds_before={"cpu": 15.0, "cuda": 10.0},
        anchors=ANCHORS,
    ),
)

SDXL = BaseFacts(
    name="sdxl",
    title="SDXL 1.0",
    say="Stable Diffusion XL, for work; it wants a GPU with 8 GB or more.",
    licence="CreativeML Open RAIL++-M",
    native=1024,
    stride=32,
    sizes=((1024, 1024), (832, 1216), (1216, 832), (896, 1152), (1152, 896), (768, 1344), (1344, 768), (768, 768)),
    steps=30,
    max_steps=50,
    guidance=6.0,
    seconds_per_picture={"cpu": 1800.0, "cuda": 15.0},
    repository=model("sdxl").repository,
    revision=model("sdxl").revision,
    vae_repository=model("sdxl-vae").repository,
    vae_revision=model("sdxl-vae").revision,
    preview_vae="taesdxl",
    fast="sdxl-fast",
    inpaint="sdxl-inpaint",
    upscaler="upscaler",
    video="svd-xt",
    tiers=("fine", "fast", "draft"),
    # what SDXL-Lightning was distilled for (its model card): Euler steps that end at the schedule's last timestep
    fast_sampler={"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"},
    sampler={"use_karras_sigmas": True},
    training=TrainingProfile(
        rank=16,
        alpha=8.0,
        learning_rate=1e-4,
        batch=1,
        micro_batch=1,
        resolution=1024,
        resolutions=(512, 768, 1024),
        targets=ATTENTION,
        steps_per_image={"quick": 25, "standard": 50, "fine": 100},
        min_steps=500,
        max_steps=4000,
        sample_count=4,
        seconds_per_step={"cpu": 300.0, "cuda": 1.2},
        seconds_per_sample={"cpu": 1800.0, "cuda": 15.0},
        seconds_before={"cpu": 900.0, "cuda": 60.0},
        gradient_checkpointing=True,
    ),
)

CATALOGUE: Mapping[str, BaseFacts] = MappingProxyType({base.name: base for base in (STARTER, SDXL)})


def describe(base: str) -> BaseFacts:
    """Facts of a catalogue name, a local folder or a repository id.

    A folder that makes pictures smaller than SDXL's takes the starter's profile at its own size; anything else SDXL's.
    """
    if base in CATALOGUE:
        return CATALOGUE[base]
    folder = Path(base)
    if not folder.is_dir() and not folder.is_absolute():
        return replace(
            SDXL, name=base, title=base, repository=base, revision="", licence="see its model card", inpaint=""
        )
    native = _native_size(folder)
    kind = SDXL if native >= 512 else STARTER
    facts = replace(
        kind,
        name=base,
        title=folder.name,
        repository="",
        revision="",
        folder=base,
        licence="see its model card",
        inpaint="",  # the inpainting model knows the original base alone
    )
    if native in (STARTER.native, SDXL.native):
        return facts
    return replace(
        facts,
        native=native,
        sizes=((native, native),),
        training=replace(facts.training, resolution=native, resolutions=(native,)),
    )


def _native_size(folder: Path) -> int:
    """Pixels of a side, from the configurations of the UNet and the VAE; SDXL's where they do not say."""
    try:
        unet = json.loads((folder / "unet" / "config.json").read_text())
        vae = json.loads((folder / "vae" / "config.json").read_text())
    except (OSError, ValueError):
        return SDXL.native
    channels = vae.get("block_out_channels") or vae.get("encoder_block_out_channels") or [0] * 4
    return int(unet.get("sample_size") or 128) * 2 ** (len(channels) - 1)
