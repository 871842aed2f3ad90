"""What a prompt becomes before the UNet reads it: weights, learned words, chunks, and the embeddings of all that.

`(word)` weighs 1.1, `[word]` 1/1.1, brackets may be nested, `(word:1.3)` says the weight; `\\(` is a bracket and no
weight, and so is any bracket without its partner. The notation is AUTOMATIC1111's, which artists know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import CLIPTokenizer, PreTrainedModel

if TYPE_CHECKING:
    from gpu.engine.models import Base

STEP = 1.1  # what one pair of brackets does
MAX_WEIGHT = 3.0  # far beyond what leaves a picture whole; a weight below nothing means nothing
LOOK_BACK = 4  # a chunk may end this share (1/4) of its length early, to end with a phrase


@dataclass(frozen=True)
class Prompt:
    """Embeddings of one prompt: `tokens` (1, length, width of both encoders), `pooled` (1, width of the second)."""

    tokens: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class Fragment:
    text: str
    weight: float = 1.0


# --- weights ---

_CLOSES = {")": "(", "]": "["}
_WEIGHT = re.compile(r"^(.*):\s*(\d{0,3}(?:\.\d{0,6})?)\s*$", re.DOTALL)


def fragments(text: str) -> list[Fragment]:
    """The parts of a prompt and their weights, 0..MAX_WEIGHT. Parts that weigh alike are one."""
    parts: list[Fragment] = []
    opened: list[tuple[str, int]] = []  # the bracket, and the place of the part that holds it
    letters = iter(text)
    for letter in letters:
        if letter == "\\":
            following = next(letters, "")
            parts.append(Fragment(following if following and following in "()[]\\" else letter + following))
        elif letter in "([":
            opened.append((letter, len(parts)))
            parts.append(Fragment(letter))
        elif letter in _CLOSES and opened and opened[-1][0] == _CLOSES[letter]:
            place = opened.pop()[1]
            parts[place:] = _weighed(parts[place + 1 :], letter)
        elif parts and parts[-1].weight == 1.0 and not (opened and opened[-1][1] == len(parts) - 1):
            parts[-1] = Fragment(parts[-1].text + letter)
        else:
            parts.append(Fragment(letter))
    joined: list[Fragment] = []
    for part in parts:
        weight = min(part.weight, MAX_WEIGHT)
        if joined and joined[-1].weight == weight:
            joined[-1] = Fragment(joined[-1].text + part.text, weight)
        else:
            joined.append(Fragment(part.text, weight))
    return joined


def _weighed(inside: list[Fragment], closing: str) -> list[Fragment]:
    """What stood between a pair of brackets, with their weight."""
    factor = STEP if closing == ")" else 1 / STEP
    said = _WEIGHT.match(inside[-1].text) if inside and closing == ")" else None
    if said and said[2].strip("."):
        factor = float(said[2])
        inside = [*inside[:-1], replace(inside[-1], text=said[1])]
    return [replace(part, weight=part.weight * factor) for part in inside if part.text]


# --- tokens ---


@dataclass(frozen=True)
class Token:
    """One place in a chunk. `vector` (width,) stands for a learned word and is put in place of the token's own."""

    number: int
    weight: float = 1.0
    vector: Tensor | None = None
    ends_phrase: bool = False
    ends_word: bool = True


def _tokens(text: str, tokenizer: CLIPTokenizer, words: dict[str, Tensor]) -> list[Token]:
    """All of a prompt, without the marks of beginning and end."""
    tokens: list[Token] = []
    for part in fragments(text):
        for piece in _around(part.text, words):
            if piece in words:  # any number that is no mark of the end does: its vector is what counts
                tokens += [Token(0, part.weight, vector) for vector in words[piece]]
                continue
            numbers = tokenizer(piece, add_special_tokens=False, verbose=False).input_ids
            for number, name in zip(numbers, tokenizer.convert_ids_to_tokens(numbers), strict=True):
                tokens.append(
                    Token(number, part.weight, None, name in (",</w>", ".</w>", ";</w>"), name.endswith("</w>"))
                )
    return tokens


def _around(text: str, words: dict[str, Tensor]) -> list[str]:
    """The text cut before and after every learned word, which are given as they are spelled in `words`."""
    if not words:
        return [text]
    longest = sorted(words, key=len, reverse=True)
    pattern = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, longest)) + r")(?!\w)", re.IGNORECASE)
    spelled = {word.casefold(): word for word in words}
    pieces = pattern.split(text)
    return [spelled[piece.casefold()] if place % 2 else piece for place, piece in enumerate(pieces) if piece]


def _chunks(tokens: Sequence[Token], length: int) -> list[Sequence[Token]]:
    """Cut to at most `length`: after a phrase if one ends in the last part of a chunk, else after a word."""
    chunks = []
    while len(tokens) > length:
        earliest = length - length // LOOK_BACK
        ends = range(length, earliest, -1)
        cut = next((end for end in ends if tokens[end - 1].ends_phrase), None)
        cut = cut or next((end for end in ends if tokens[end - 1].ends_word), length)
        chunks.append(tokens[:cut])
        tokens = tokens[cut:]
    return [*chunks, tokens]


# --- embeddings ---


def embed(base: Base, text: str) -> Prompt:
    """Embeds a prompt of any length: chunks of the tokenizers' length, one after the other.

    Both encoders give their last but one layer (SDXL, section 2.1); `pooled` is the first chunk's. A weight multiplies
    its token's embedding, and each chunk is then scaled so that the mean of its magnitudes stays what it was (the plain
    mean of these layers lies near zero, and dividing by it would blow them up). Gradients reach `base.words`.
    """
    cut = []
    for number, tokenizer in enumerate(base.tokenizers):
        words = {word: vectors[number] for word, vectors in base.words.items()}
        cut.append(_chunks(_tokens(text, tokenizer, words), tokenizer.model_max_length - 2))
    most = max(map(len, cut))
    parts, pooled = [], None
    for tokenizer, encoder, chunks in zip(base.tokenizers, base.text_encoders, cut, strict=True):
        chunks += [[]] * (most - len(chunks))
        ids = torch.tensor([_padded(chunk, tokenizer) for chunk in chunks])
        with base.present(encoder), _learned(encoder, chunks):
            output = encoder(ids.to(base.device), output_hidden_states=True)
        hidden = _weigh(output.hidden_states[-2], chunks)
        parts.append(hidden.reshape(1, -1, hidden.shape[-1]))
        if hasattr(output, "text_embeds"):
            pooled = output.text_embeds[:1]
    assert pooled is not None
    return Prompt(tokens=torch.cat(parts, dim=-1), pooled=pooled)


def _padded(chunk: Sequence[Token], tokenizer: CLIPTokenizer) -> list[int]:
    numbers = [tokenizer.bos_token_id, *(token.number for token in chunk), tokenizer.eos_token_id]
    return numbers + [tokenizer.pad_token_id] * (tokenizer.model_max_length - len(numbers))


@contextmanager
def _learned(encoder: PreTrainedModel, chunks: Sequence[Sequence[Token]]) -> Iterator[None]:
    """Puts the vectors of learned words in place of their tokens' own, for one pass."""
    places = [
        (row, place, token.vector)
        for row, chunk in enumerate(chunks)
        for place, token in enumerate(chunk, start=1)  # the first is the mark of the beginning
        if token.vector is not None
    ]
    if not places:
        yield
        return
    rows, columns, vectors = zip(*places, strict=True)

    def put(module: object, given: object, embedded: Tensor) -> Tensor:
        new = torch.stack(vectors).to(embedded.device, embedded.dtype)
        return embedded.index_put((torch.tensor(rows), torch.tensor(columns)), new)

    embeddings: Any = encoder.get_input_embeddings()
    hook = embeddings.register_forward_hook(put)
    try:
        yield
    finally:
        hook.remove()


def _weigh(hidden: Tensor, chunks: Sequence[Sequence[Token]]) -> Tensor:
    """(chunks, length, width), with the tokens' weights."""
    weights = torch.ones(hidden.shape[:2])
    for row, chunk in enumerate(chunks):
        weights[row, 1 : 1 + len(chunk)] = torch.tensor([token.weight for token in chunk])
    if bool((weights == 1).all()):
        return hidden
    weighed = hidden.float() * weights.to(hidden.device)[..., None]
    was, now = (each.float().abs().mean(dim=(1, 2), keepdim=True) for each in (hidden, weighed))
    return (weighed * (was / now)).to(hidden.dtype)


def level(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The same prompts, all as long as the longest: the shorter ones are repeated.

    A whole repetition changes nothing of what a prompt says: attention gives each copy its share of the same weight.
    """
    longest = max(prompt.tokens.shape[1] for prompt in prompts)
    return [
        prompt
        if prompt.tokens.shape[1] == longest
        else replace(prompt, tokens=prompt.tokens.repeat(1, ceil(longest / prompt.tokens.shape[1]), 1)[:, :longest])
        for prompt in prompts
    ]
