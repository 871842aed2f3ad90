"""Whether a file is a LoRA that fits a base, told from its header alone: names, kinds of numbers and shapes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gpu.engine.catalogue import BaseFacts
from gpu.engine.failures import Failure, bad_weights
from gpu.engine.weights.header import Header, read_header
from gpu.engine.weights.names import Role, canonical, split
from gpu.engine.weights.shapes import Layers, layers_of

MAX_RANK = 1024
DTYPES = {"F16", "BF16", "F32"}
# what trainers write down of the word that calls a style, the most deliberate first
TRIGGERS = ("modelspec.trigger_phrase", "trigger_phrase", "trigger_word", "instance_prompt", "ss_instance_prompt")
TITLES = ("modelspec.title", "ss_output_name", "name")
MAX_TRIGGER = 60
OTHER_KINDS = {
    ".hada_": "LoHa", ".lokr_": "LoKr", ".oft_": "OFT", ".dora_scale": "DoRA", ".lora_magnitude": "DoRA",
    ".lora_mid.": "LoCon in Tucker form", ".diff_b": "a full difference",
}  # fmt: skip
# how wide the words are that other families' attention reads: what a LoRA that does not fit was made for
FAMILIES = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "SDXL", 4096: "Flux or SD 3"}


@dataclass(frozen=True)
class Examined:
    """What a LoRA is. `said` is every text of its metadata that a person wrote or would read, tags included."""

    layers: int
    rank: int
    touches_text: bool
    trigger_word: str
    title: str
    said: tuple[str, ...]


def examine(path: Path, facts: BaseFacts) -> Examined:
    """Reads the header alone. Raises Failure `bad_weights` with a sentence that says what the file is instead."""
    header = read_header(path)
    pairs = pairs_of(header, layers_of(facts))
    return Examined(
        layers=len(pairs),
        rank=max(pair.rank for pair in pairs.values()),
        touches_text=any(not layer.startswith("unet.") for layer in pairs),
        trigger_word=_first(header.metadata, TRIGGERS)[:MAX_TRIGGER],
        title=_first(header.metadata, TITLES)[:80],
        said=tuple(_said(header.metadata)),
    )


@dataclass(frozen=True)
class Pair:
    """The tensors of one layer, by their keys. `alpha` is a key, a number that the metadata names, or the rank."""

    down: str
    up: str
    alpha: str | float
    rank: int


def pairs_of(header: Header, known: Layers) -> dict[str, Pair]:
    """The layers that a LoRA touches, every one of a shape that fits. Raises Failure `bad_weights`."""
    keys: dict[str, dict[Role, str]] = {}
    for key in header.parts:
        found = split(key)
        if found is None:
            raise _another_kind(key)
        layer = known.find(found[0])
        if layer is None:
            raise _another_base(header, known, f"no layer {found[0][:100]}")
        if found[1] in keys.setdefault(layer, {}):
            raise bad_weights("This LoRA is damaged: it names a layer twice.", detail=layer)
        keys[layer][found[1]] = key
    if not keys:
        raise bad_weights("There is no LoRA in this file.")
    alphas = _alphas(header)
    return {layer: _pair(layer, own, header, known, alphas) for layer, own in keys.items()}


def _pair(layer: str, keys: Mapping[Role, str], header: Header, known: Layers, alphas: Mapping[str, float]) -> Pair:
    for role, key in keys.items():
        if role != "alpha" and header.parts[key].dtype not in DTYPES:
            raise bad_weights("This LoRA holds numbers of an unknown kind.", detail=f"{key}: {header.parts[key].dtype}")
    if "down" not in keys or "up" not in keys:
        raise bad_weights("This LoRA is incomplete: one half of a layer is missing.", detail=layer)
    down, up, shape = header.parts[keys["down"]], header.parts[keys["up"]], known.shapes[layer]
    rank = down.shape[0] if down.shape else 0
    fits = (
        1 <= rank <= MAX_RANK and down.shape[1:] == shape[1:] and up.shape == (shape[0], rank, *(1 for _ in shape[2:]))
    )
    if not fits:
        detail = f"{layer}: {up.shape} x {down.shape} for {shape}"
        raise bad_weights(f"This LoRA was made for another base model than {known.title}.", detail=detail)
    if "alpha" in keys and header.parts[keys["alpha"]].shape not in ((), (1,)):
        raise bad_weights("This LoRA is damaged: an alpha is not one number.", detail=layer)
    alpha = keys.get("alpha", alphas.get(layer, alphas.get(layer.split(".", 1)[0], float(rank))))
    return Pair(keys["down"], keys["up"], alpha, rank)


def _another_kind(key: str) -> Failure:
    kind = next((name for piece, name in OTHER_KINDS.items() if piece in key), "")
    if kind:
        say = f"This file is {kind}, which is not supported: only plain LoRAs are."
    elif key.startswith(("model.diffusion_model.", "conditioner.", "first_stage_model.")):
        say = "This is a whole model, not a LoRA."
    elif key in ("clip_l", "clip_g", "emb_params"):
        say = "This is a textual inversion, not a LoRA."
    else:
        say = "This is no LoRA: it holds something else."
    return bad_weights(say, detail=key[:200])


def _another_base(header: Header, known: Layers, detail: str) -> Failure:
    """Names the family that a LoRA was made for where the attention tells it."""
    widths = {
        part.shape[1]
        for key, part in header.parts.items()
        if "attn2_to_k" in key.replace(".", "_") and len(part.shape) == 2
    }
    families = {FAMILIES[width] for width in widths if width in FAMILIES and width != known.cross_attention}
    if any("double_blocks" in key or "single_transformer" in key for key in header.parts):
        families = {"Flux"}
    made_for = f"for {families.pop()}" if len(families) == 1 else "for another base model"
    return bad_weights(f"This LoRA was made {made_for}; here pictures come from {known.title}.", detail=detail)


def _first(metadata: Mapping[str, str], keys: tuple[str, ...]) -> str:
    written = (" ".join(metadata.get(key, "").split()) for key in keys)
    return next((text for text in written if text and text.lower() not in ("none", "null", "{}")), "")


def _said(metadata: Mapping[str, str]) -> list[str]:
    """The words in a file's metadata: titles, descriptions, prompts and the tags of its training set."""
    said = [value for key, value in metadata.items() if not key.startswith(("ss_", "sshs_", "lora_"))]
    said += [
        metadata[key] for key in ("ss_output_name", "ss_instance_prompt", "ss_training_comment") if key in metadata
    ]
    try:
        folders = json.loads(metadata.get("ss_tag_frequency", "{}"))
        for folder, tags in folders.items():
            said += [str(folder), *(str(tag) for tag in tags)]
    except (ValueError, AttributeError, TypeError):
        said.append(metadata.get("ss_tag_frequency", ""))  # unreadable as it is, it is text all the same
    return said


def _alphas(header: Header) -> dict[str, float]:
    """The alphas that diffusers writes into a file's metadata, by part (`unet`) and by layer."""
    try:
        written = json.loads(header.metadata.get("lora_adapter_metadata", "") or "{}")
        if any(value is True for key, value in written.items() if key.endswith(".use_rslora")):
            raise bad_weights("This LoRA is rank-stabilised, which is not supported: only plain LoRAs are.")
        alphas = {
            key.removesuffix(".lora_alpha"): float(v) for key, v in written.items() if key.endswith(".lora_alpha")
        }
        for key, patterns in written.items():
            if key.endswith(".alpha_pattern"):
                part = key.removesuffix(".alpha_pattern")
                alphas |= {canonical(f"{part}.{name.removeprefix('^')}"): float(n) for name, n in patterns.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise bad_weights("This LoRA's metadata is damaged.", detail=str(error)[:200]) from error
    if not all(math.isfinite(alpha) for alpha in alphas.values()):
        raise bad_weights("This LoRA holds broken numbers.", detail="an alpha in its metadata")
    return alphas
