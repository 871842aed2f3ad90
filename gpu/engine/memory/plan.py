"""What one job does to stay within its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GIB = 2**30

Place = Literal["resident", "swapped"]
Storage = Literal["full", "fp8"]
Checkpointing = Literal["none", "some", "all"]


@dataclass(frozen=True)
class Plan:
    """One rung of a ladder. The plain one keeps everything on the device and cuts nothing into pieces.

    What says nothing to a kind of job stays at its default. `predicted` is the most bytes it should take.
    """

    profile: str = "cpu"
    text: Place = "resident"  # the text encoders, while they do not embed
    vae: Place = "resident"  # the VAE, while it neither encodes nor decodes
    tile: int | None = None  # pixels of the VAE's tiles; None: the whole picture at once
    storage: Storage = "full"  # of the UNet's frozen weights; fp8 takes half of fp16
    checkpointing: Checkpointing = "none"  # blocks of the UNet that keep nothing for the backward pass
    sequential_guidance: bool = False  # the two halves of guidance one after the other: exact, half the activations
    chunks: int = 1  # pieces of each feed-forward layer
    frames: int = 0  # of a film
    decode_frames: int = 0  # of a film that are decoded at a time
    micro_batch: int = (
        0  # pictures in one pass of a training; a batch beyond it is accumulated. 0: as the base likes it
    )
    resolution: int = 0  # pixels of a training; 0: as asked
    rank: int = 0  # of a training; 0: as asked
    compiled: bool = False  # the UNet's repeated blocks
    channels_last: bool = False
    predicted: int = 0  # bytes
    code: str = ""  # what is less than asked for, for machines
    say: str = ""  # the same for the artist; empty where only the time it takes may differ
