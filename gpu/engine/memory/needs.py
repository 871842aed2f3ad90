"""What each phase of a job takes: predictions from counted parameters and measured or published activations.

Activations are in numbers (of two bytes in half precision, of four on a CPU) for each pixel of one sample. Where
nothing else is said they were counted by running the full-size model on tensors without storage and adding up what
lives at once; `tests/engine/test_memory_figures.py` counts some of them again. What the libraries below take besides is
an estimate, and so is the sum: no figure here was measured on a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gpu.engine.memory.plan import Checkpointing, Plan
from gpu.engine.memory.sizes import FilmSizes, Sizes

MIB = 2**20

UNET_FORWARD = 79.0
# With LoRA on the attention layers, of which the inputs are kept in float32; measured with `train_lora.blocks`.
UNET_TRAINING: Mapping[Checkpointing, float] = MappingProxyType({"all": 275.0, "some": 1980.0, "none": 3920.0})
# InvokeAI's `vae_working_memory.py`, measured on CUDA: 2200 to decode, half of it to encode, a quarter more in tiles.
VAE_DECODE, VAE_ENCODE = 2200.0, 1100.0
TILE_OVERHEAD = 1.25
TINY_VAE = 300.0
PICTURE = 24.0  # bytes a pixel: the finished picture in float32, and the tiles laid over one another
FILM_FORWARD, FILM_CHUNKED = 135.2, 75.2  # a frame, one half of guidance; whole, and in pieces of a fifth or less
FILM_DECODE = VAE_DECODE * 1024 / 768  # a frame: its decoder holds 1024 numbers a pixel where the picture's holds 768

WORKSPACE = 256 * MIB  # estimate: what cuDNN and cuBLAS take for themselves
FRAGMENTATION = 1.03  # estimate: reserved over allocated, with expandable segments
# What a process takes before any model, where the machine's memory is the budget: Python, torch, diffusers.
PROCESS = 450 * MIB
WIDEST_LAYER = 60 * MIB  # an fp8 weight as it is computed with: SDXL's widest convolution in half precision

# Bytes that an optimizer keeps for each number it moves.
OPTIMIZER: Mapping[str, float] = MappingProxyType({"adamw": 8, "adamw8bit": 2.1, "prodigy": 16, "adafactor": 0.5})


@dataclass(frozen=True)
class Wanted:
    """What a job is about. Pixels; `batch` pictures go through the UNet at once; `frames` of a film's segment."""

    width: int
    height: int
    guided: bool = True
    rank: int = 16
    batch: int = 1
    frames: int = 0
    optimizer: str = "adamw"


Phases = Mapping[str, float]  # bytes each phase of a job holds, before what is lost between the pieces


def peak(phases: Phases, plan: Plan) -> int:
    """The most bytes reserved: the hungriest phase, with what the allocator loses."""
    if plan.profile == "cpu":
        return int(max(phases.values()) + PROCESS)
    return int(max(phases.values()) * FRAGMENTATION)


def picture(sizes: Sizes, wanted: Wanted, plan: Plan) -> Phases:
    """Embedding, denoising and decoding of one picture."""
    number = _bytes(plan)
    pixels = wanted.width * wanted.height
    kept = _unet(sizes, plan) + _rests(sizes, plan)
    samples = 2 if wanted.guided and not plan.sequential_guidance else 1
    return {
        "embedding": kept + _visit(sizes.largest_text * number, plan.text, plan),
        "denoising": kept + samples * pixels * UNET_FORWARD * sizes.breadth * number + _workspace(plan),
        "decoding": kept + _visit(sizes.vae * number, plan.vae, plan) + _through_vae(sizes, pixels, plan, VAE_DECODE),
    }


def training(sizes: Sizes, wanted: Wanted, plan: Plan) -> Phases:
    """Encoding of pictures and words, the steps, and the samples in between."""
    number = _bytes(plan)
    side = plan.resolution or 0
    pixels = min(wanted.width * wanted.height, side * side or wanted.width * wanted.height)
    rank = min(plan.rank or wanted.rank, wanted.rank)
    learned = sizes.lora * rank * (4 + 4 + OPTIMIZER.get(wanted.optimizer, 8))  # weights, gradients, optimizer
    kept = _unet(sizes, plan) + _rests(sizes, plan)
    working = UNET_TRAINING[plan.checkpointing] * sizes.breadth
    batch = min(wanted.batch, plan.micro_batch or wanted.batch)
    return {
        "encoding": kept + _visit(sizes.vae * number, plan.vae, plan) + _through_vae(sizes, pixels, plan, VAE_ENCODE),
        "words": kept + _visit(sizes.text * number, plan.text, plan),  # both encoders, for all captions
        "steps": kept + learned + batch * pixels * working * number + _workspace(plan),
        "samples": kept
        + learned
        + _visit(sizes.vae * number, plan.vae, plan)
        + _through_vae(sizes, pixels, plan, VAE_DECODE),
    }


def film(sizes: FilmSizes, wanted: Wanted, plan: Plan) -> Phases:
    """Reading the first frame, denoising all frames of a segment, and decoding some at a time: one part at a time."""
    number = _bytes(plan)
    pixels = wanted.width * wanted.height
    frames = plan.frames or wanted.frames
    halves = 1 if plan.sequential_guidance else 2
    working = FILM_CHUNKED if plan.chunks >= 5 else FILM_FORWARD
    return {
        "reading": max(
            sizes.image_encoder * number,
            sizes.vae * 4 + pixels * VAE_ENCODE * 4,  # in float32, which the encoder asks for
        ),
        "denoising": sizes.unet * number + halves * frames * pixels * working * number + _workspace(plan),
        "decoding": sizes.vae * number + (plan.decode_frames or frames) * pixels * FILM_DECODE * number,
    }


def _bytes(plan: Plan) -> int:
    """Of one number."""
    return 4 if plan.profile == "cpu" else 2


def _unet(sizes: Sizes, plan: Plan) -> float:
    if plan.storage == "full" or plan.profile == "cpu":
        return sizes.unet * _bytes(plan)
    return sizes.unet + min(WIDEST_LAYER, sizes.unet / 8)


def _rests(sizes: Sizes, plan: Plan) -> float:
    """What stays on the device beside the UNet. On a CPU there is no other place to rest."""
    number = _bytes(plan)
    text = sizes.text * number if plan.text == "resident" or plan.profile == "cpu" else 0
    vae = sizes.vae * number if plan.vae == "resident" or plan.profile == "cpu" else 0
    return text + vae


def _workspace(plan: Plan) -> float:
    """Of the libraries that a UNet's layers call. The VAE's figures have it already."""
    return 0 if plan.profile == "cpu" else WORKSPACE


def _visit(weights: float, place: str, plan: Plan) -> float:
    """What a part adds while it works, if it is not there anyhow."""
    return weights if place == "swapped" and plan.profile != "cpu" else 0


def _through_vae(sizes: Sizes, pixels: int, plan: Plan, working: float) -> float:
    if sizes.tiny_vae:
        return pixels * (TINY_VAE * _bytes(plan) + PICTURE)
    tiled = plan.tile is not None and pixels > plan.tile**2
    seen = plan.tile**2 * TILE_OVERHEAD if tiled and plan.tile else pixels
    return seen * working * _bytes(plan) + pixels * PICTURE
