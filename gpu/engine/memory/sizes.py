"""How much a model weighs: parameters counted, not guessed.

Of SDXL and SVD-XT they are known (the tests build both from their configurations and count); of a base in a folder they
are read from the headers of its safetensors files, without reading a weight.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from gpu.engine.catalogue import BaseFacts


@dataclass(frozen=True)
class Sizes:
    """Parameters of a base's parts. `text` are both encoders, `largest_text` the larger one.

    `lora` is what one rank of a LoRA on the profile's layers has: the sum of their inputs and outputs. `breadth` is how
    much the UNet's layers hold for a pixel, against SDXL's.
    """

    unet: int
    text: int
    largest_text: int
    vae: int
    lora: int
    tiny_vae: bool = False
    breadth: float = 1.0


SDXL_SIZES = Sizes(
    unet=2_567_463_684,
    text=817_720_320,
    largest_text=694_659_840,
    vae=83_653_863,
    lora=1_451_520,
)


@dataclass(frozen=True)
class FilmSizes:
    """Parameters of SVD-XT's parts."""

    unet: int = 1_524_623_082
    vae: int = 97_742_847
    image_encoder: int = 632_076_800


def sizes_of(facts: BaseFacts) -> Sizes:
    """Of a base that lies in a folder; SDXL's for one that comes from the hub, whose classes are SDXL's."""
    folder = Path(facts.folder) if facts.folder else None
    if folder is None or not (folder / "unet").is_dir():
        return SDXL_SIZES
    return _counted(folder, facts.training.targets)


@lru_cache(maxsize=8)
def _counted(folder: Path, targets: tuple[str, ...]) -> Sizes:
    unet = _shapes(folder / "unet")
    text = [_total(_shapes(folder / name)) for name in ("text_encoder", "text_encoder_2")]
    config = json.loads((folder / "vae" / "config.json").read_text())
    endings = tuple(f".{target}.weight" for target in targets)
    return Sizes(
        unet=_total(unet),
        text=sum(text),
        largest_text=max(text),
        vae=_total(_shapes(folder / "vae")),
        lora=sum(shape[0] + prod(shape[1:]) for name, shape in unet.items() if name.endswith(endings)),
        tiny_vae=config.get("_class_name") == "AutoencoderTiny",
        breadth=breadth(json.loads((folder / "unet" / "config.json").read_text())) / SDXL_BREADTH,
    )


# Numbers that a layer holds for each of its channels and latents, about: those of convolutions, and those of attention
# with
# a feed-forward layer four times as wide.
_RESNET, _TRANSFORMER = 6, 26


def breadth(config: Mapping[str, Any]) -> float:
    """What the layers of a UNet hold together for one latent; a level's latents are a quarter of those above it."""
    channels: list[int] = config["block_out_channels"]
    layers, depths = config.get("layers_per_block", 2), config.get("transformer_layers_per_block", 1)
    held = 0.0
    for level, width in enumerate(channels):
        resnets = 2 * layers + 1 + 2 * (level == len(channels) - 1)
        depth = depths[level] if isinstance(depths, list | tuple) else depths
        attends = "CrossAttn" in config["down_block_types"][level]
        transformers = depth * attends * (2 * layers + 1 + (level == len(channels) - 1))
        held += width * (resnets * _RESNET + transformers * _TRANSFORMER) / 4**level
    return held


SDXL_BREADTH = breadth(
    {
        "block_out_channels": [320, 640, 1280],
        "layers_per_block": 2,
        "transformer_layers_per_block": [1, 2, 10],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    }
)


def _total(shapes: dict[str, list[int]]) -> int:
    return sum(prod(shape) for shape in shapes.values())


def _shapes(part: Path) -> dict[str, list[int]]:
    """Of every tensor in a part of a base; the half-precision files where a folder has both."""
    files = sorted(part.glob("*.fp16.safetensors")) or sorted(part.glob("*.safetensors"))
    shapes: dict[str, list[int]] = {}
    for path in files:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        shapes |= {name: facts["shape"] for name, facts in header.items() if name != "__metadata__"}
    return shapes
