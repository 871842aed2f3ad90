"""What tools call the layers of a base. Here they are named as diffusers names them, wherever they come from.

`unet.down_blocks.1.attentions.0…to_q` is a layer; kohya's trainer flattens it to `lora_unet_down_blocks_1_…_to_q`,
after diffusers' blocks or after the numbers of Stability's own code. The text encoders' layers always carry
`text_model`, which transformers dropped from the module names of one of them in version 5.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Role = Literal["down", "up", "alpha"]

# the part of a base that each stands for; `lora_te_` is an older spelling that we read but do not write
PREFIXES = {
    "lora_unet_": "unet",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "lora_te_": "text_encoder",
}
_WRITTEN = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
_ENDINGS: dict[str, Role] = {
    ".lora_down.weight": "down", ".lora_A.weight": "down", ".lora.down.weight": "down",
    ".lora_linear_layer.down.weight": "down",
    ".lora_up.weight": "up", ".lora_B.weight": "up", ".lora.up.weight": "up",
    ".lora_linear_layer.up.weight": "up",
    ".alpha": "alpha",
}  # fmt: skip
# diffusers before PEFT kept a LoRA in the attention's processor
_PROCESSOR = re.compile(r"\.processor\.(to_[qkv]|to_out)_lora\.(down|up)\.weight$")


def canonical(module: str) -> str:
    """A module's name as files have it."""
    part, tail = module.split(".", 1)
    return f"{part}.text_model.{tail}" if part != "unet" and tail.startswith("encoder.") else module


def flat_name(layer: str) -> str:
    """`unet.mid_block.attentions.0` as kohya's trainer writes it: `lora_unet_mid_block_attentions_0`."""
    part, tail = layer.split(".", 1)
    return _WRITTEN[part] + tail.replace(".", "_")


def by_flat_name(layers: Iterable[str]) -> dict[str, str]:
    """The way back, for each spelling of a part."""
    back = {}
    for layer in layers:
        part, tail = layer.split(".", 1)
        for prefix, own in PREFIXES.items():
            if own == part:
                for spelled in (tail, tail.removeprefix("text_model.")):
                    back[prefix + spelled.replace(".", "_")] = layer
    return back


def split(key: str) -> tuple[str, Role] | None:
    """The layer's name in a tensor's key, in whatever spelling, and what the tensor is to it; None for others."""
    if found := _PROCESSOR.search(key):
        projection = "to_out.0" if found[1] == "to_out" else found[1]
        return f"{key[: found.start()]}.{projection}", "down" if found[2] == "down" else "up"
    for ending, role in _ENDINGS.items():
        if key.endswith(ending):
            return key.removesuffix(ending), role
    return None


# --- Stability's names ---
# SDXL's own code numbers the pieces of its UNet in one row, where diffusers has blocks of layers.

_SINGLE = {
    "input_blocks_0_0": "conv_in",
    "out_2": "conv_out",
    "time_embed_0": "time_embedding_linear_1",
    "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1",
    "label_emb_0_2": "add_embedding_linear_2",
}
_IN_RESNET = {
    "in_layers_2": "conv1",
    "out_layers_3": "conv2",
    "emb_layers_1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}
_MIDDLE = {"0": "resnets_0", "1": "attentions_0", "2": "resnets_1"}
_ROW = re.compile(r"(input|output)_blocks_(\d{1,2})_([012])_(.+)")
_CENTRE = re.compile(r"middle_block_([012])_(.+)")


def diffusers_name(stem: str, layers_per_block: int) -> str:
    """A flat name as diffusers has it, from either kind. Other names come back as they are."""
    name = stem.removeprefix("lora_unet_")
    if name == stem:
        return stem
    if found := _CENTRE.fullmatch(name):
        return f"lora_unet_mid_block_{_MIDDLE[found[1]]}_{_IN_RESNET.get(found[2], found[2])}"
    found = _ROW.fullmatch(name)
    if name in _SINGLE or not found:
        return f"lora_unet_{_SINGLE.get(name, name)}"
    way, number, inner, rest = found[1], int(found[2]), int(found[3]), found[4]
    block, layer = divmod(number - (way == "input"), layers_per_block + 1)
    if rest == "op":
        piece, rest = "downsamplers_0", "conv"
    else:
        piece = "upsamplers_0" if inner == 2 else f"{('resnets', 'attentions')[inner]}_{layer}"
    side = "down" if way == "input" else "up"
    return f"lora_unet_{side}_blocks_{block}_{piece}_{_IN_RESNET.get(rest, rest)}"
