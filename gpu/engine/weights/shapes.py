"""The layers of a base that a LoRA may touch, with the shapes of their weights, from the base's configuration alone.

Follows the architecture of SDXL's classes (Podell et al. 2023, arXiv:2307.01952) as diffusers builds it: a test holds
the names and shapes against diffusers' own modules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from gpu.engine.catalogue import BaseFacts
from gpu.engine.weights.names import by_flat_name, canonical, diffusers_name

Shape = tuple[int, ...]
Config = Mapping[str, Any]

SDXL_UNET: Config = {
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 2, 10],
    "cross_attention_dim": 2048,
    "projection_class_embeddings_input_dim": 2816,
    "use_linear_projection": True,
}
SDXL_TEXT: Config = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
SDXL_TEXT_2: Config = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "projection_dim": 1280,
}  # fmt: skip


@dataclass(frozen=True)
class Layers:
    """The layers of a base. `shapes` by their names: (out, in), of a convolution (out, in, height, width)."""

    title: str  # of the base
    shapes: Mapping[str, Shape]
    layers_per_block: int
    cross_attention: int

    @cached_property
    def _flat(self) -> dict[str, str]:
        return by_flat_name(self.shapes)

    def find(self, stem: str) -> str | None:
        """The layer that the first half of a tensor's key names, in any spelling; None where there is none."""
        if stem.startswith("lora_"):
            return self._flat.get(diffusers_name(stem, self.layers_per_block))
        name = canonical(stem) if "." in stem else stem
        return name if name in self.shapes else None


@lru_cache(maxsize=8)
def _layers(title: str, folder: str) -> Layers:
    unet: Config
    if folder:
        unet, text, text_2 = (_config(Path(folder) / part) for part in ("unet", "text_encoder", "text_encoder_2"))
    else:
        unet, text, text_2 = SDXL_UNET, SDXL_TEXT, SDXL_TEXT_2
    shapes = {f"unet.{name}": shape for name, shape in unet_shapes(unet)}
    shapes |= {f"text_encoder.{name}": shape for name, shape in text_shapes(text, projected=False)}
    shapes |= {f"text_encoder_2.{name}": shape for name, shape in text_shapes(text_2, projected=True)}
    return Layers(title, shapes, int(unet["layers_per_block"]), int(unet["cross_attention_dim"]))


def layers_of(facts: BaseFacts) -> Layers:
    """The layers of a base: of its folder's configuration, else SDXL's. Raises OSError, ValueError or KeyError."""
    return _layers(facts.title, facts.folder)


def _config(part: Path) -> Config:
    return dict(json.loads((part / "config.json").read_text()))


def unet_shapes(config: Config) -> Iterator[tuple[str, Shape]]:
    """Every linear layer and convolution of a UNet with text and size conditioning."""
    channels = [int(width) for width in config["block_out_channels"]]
    first, last, layers = channels[0], channels[-1], int(config["layers_per_block"])
    time = 4 * first
    yield "conv_in", (first, config["in_channels"], 3, 3)
    yield "time_embedding.linear_1", (time, first)
    yield "time_embedding.linear_2", (time, time)
    yield "add_embedding.linear_1", (time, config["projection_class_embeddings_input_dim"])
    yield "add_embedding.linear_2", (time, time)
    depths = _depths(config)
    for number, (kind, width) in enumerate(zip(config["down_block_types"], channels, strict=True)):
        block, before = f"down_blocks.{number}", channels[max(number - 1, 0)]
        for layer in range(layers):
            yield from _resnet(f"{block}.resnets.{layer}", before if layer == 0 else width, width, time)
            if kind.startswith("CrossAttn"):
                yield from _attention(f"{block}.attentions.{layer}", width, depths[number], config)
        if number < len(channels) - 1:
            yield f"{block}.downsamplers.0.conv", (width, width, 3, 3)
    for layer in range(2):
        yield from _resnet(f"mid_block.resnets.{layer}", last, last, time)
    yield from _attention("mid_block.attentions.0", last, depths[-1], config)
    above = last
    for number, kind in enumerate(config["up_block_types"]):
        block, width = f"up_blocks.{number}", channels[-1 - number]
        skipped = channels[max(len(channels) - 2 - number, 0)]
        for layer in range(layers + 1):
            beside = skipped if layer == layers else width
            yield from _resnet(f"{block}.resnets.{layer}", (above if layer == 0 else width) + beside, width, time)
            if kind.startswith("CrossAttn"):
                yield from _attention(f"{block}.attentions.{layer}", width, depths[-1 - number], config)
        if number < len(channels) - 1:
            yield f"{block}.upsamplers.0.conv", (width, width, 3, 3)
        above = width
    yield "conv_out", (config["out_channels"], first, 3, 3)


def _depths(config: Config) -> list[int]:
    depths = config["transformer_layers_per_block"]
    return [int(depths)] * len(config["block_out_channels"]) if isinstance(depths, int) else [int(n) for n in depths]


def _resnet(name: str, into: int, out: int, time: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.conv1", (out, into, 3, 3)
    yield f"{name}.time_emb_proj", (out, time)
    yield f"{name}.conv2", (out, out, 3, 3)
    if into != out:
        yield f"{name}.conv_shortcut", (out, into, 1, 1)


def _attention(name: str, width: int, depth: int, config: Config) -> Iterator[tuple[str, Shape]]:
    projection: Shape = (width, width) if config["use_linear_projection"] else (width, width, 1, 1)
    words = int(config["cross_attention_dim"])
    yield f"{name}.proj_in", projection
    for number in range(depth):
        block = f"{name}.transformer_blocks.{number}"
        for attention, seen in (("attn1", width), ("attn2", words)):
            yield f"{block}.{attention}.to_q", (width, width)
            yield f"{block}.{attention}.to_k", (width, seen)
            yield f"{block}.{attention}.to_v", (width, seen)
            yield f"{block}.{attention}.to_out.0", (width, width)
        yield f"{block}.ff.net.0.proj", (8 * width, width)  # GEGLU: twice four widths
        yield f"{block}.ff.net.2", (width, 4 * width)
    yield f"{name}.proj_out", projection


def text_shapes(config: Config, *, projected: bool) -> Iterator[tuple[str, Shape]]:
    """Every linear layer of a CLIP text encoder."""
    width, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    for number in range(int(config["num_hidden_layers"])):
        layer = f"text_model.encoder.layers.{number}"
        for projection in ("k_proj", "v_proj", "q_proj", "out_proj"):
            yield f"{layer}.self_attn.{projection}", (width, width)
        yield f"{layer}.mlp.fc1", (inner, width)
        yield f"{layer}.mlp.fc2", (width, inner)
    if projected:
        yield "text_projection", (int(config["projection_dim"]), width)
