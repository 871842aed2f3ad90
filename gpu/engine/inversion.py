"""Textual inversion: a word that both text encoders learn, and nothing else (Gal et al. 2022, arXiv:2208.01618).

A file holds `clip_l` (n, width of the first encoder) and `clip_g` (n, width of the second): n vectors that stand where
the word stands in a prompt. Other tools read the same two names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gpu.engine.disk import write_atomically
from gpu.engine.failures import bad_weights, missing_file
from gpu.engine.lora.files import repeatable
from gpu.engine.models import Base

KEYS = ("clip_l", "clip_g")
WORD = "modelspec.trigger_phrase"
MAX_FILE = 16 * 2**20  # bytes; sixteen vectors of SDXL's encoders have 130 kB
MAX_VECTORS = 75  # what a prompt has room for
_MOMENTS = count()
FLOATS = (torch.float16, torch.bfloat16, torch.float32)


@dataclass(frozen=True)
class Inversion:
    """A learned word and its vectors for each text encoder, (n, width) in float32."""

    sha256: str
    word: str
    vectors: tuple[Tensor, Tensor]


def is_inversion(path: Path) -> bool:
    """Whether a safetensors file holds a learned word rather than a LoRA."""
    try:
        with safe_open(path, framework="pt") as file:
            return set(file.keys()) == set(KEYS)
    except (SafetensorError, OSError):
        return False


def read(path: Path, sha256: str, base: Base) -> Inversion:
    """Reads a learned word for `base`. Raises Failure `missing_file` or `bad_weights`."""
    if not path.is_file():
        raise missing_file("A style's weights", path)
    if path.stat().st_size > MAX_FILE:
        raise bad_weights("This style's file is larger than 16 MB, which no learned word needs.", detail=str(path))
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise bad_weights(
            "This style's file is not the one that was checked in. Train or import it again.", detail=str(path)
        )
    try:
        with safe_open(path, framework="pt") as file:
            word = (file.metadata() or {}).get(WORD, "")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a mapping
    except SafetensorError as error:
        raise bad_weights("This style's file is damaged.", detail=f"{path}: {error}") from error
    if not word:
        raise bad_weights("This style's file does not say which word it taught.", detail=f"{path}: no {WORD}")
    return Inversion(sha256=sha256, word=word, vectors=_checked(tensors, base))


def _checked(tensors: Mapping[str, Tensor], base: Base) -> tuple[Tensor, Tensor]:
    if set(tensors) != set(KEYS):
        raise bad_weights("This style's file holds no word for this kind of base.", detail=", ".join(sorted(tensors)))
    first, second = (tensors[key] for key in KEYS)
    for vectors, width in zip((first, second), _widths(base), strict=True):
        fits = vectors.dim() == 2 and vectors.shape[1] == width and 1 <= len(vectors) <= MAX_VECTORS
        if not fits or len(first) != len(second) or vectors.dtype not in FLOATS:
            detail = f"{tuple(first.shape)} and {tuple(second.shape)} for {_widths(base)}"
            raise bad_weights("This style was made for another base model than the one chosen.", detail=detail)
        if not torch.isfinite(vectors).all():
            raise bad_weights("This style's file holds broken numbers.")
    return first.float(), second.float()


def _widths(base: Base) -> tuple[int, int]:
    first, second = (table.shape[1] for table in _tables(base))
    return first, second


def _tables(base: Base) -> tuple[Tensor, Tensor]:
    """The embeddings of all tokens, for each encoder: (tokens, width)."""
    first, second = (encoder.get_input_embeddings() for encoder in base.text_encoders)
    assert isinstance(first, nn.Embedding)
    assert isinstance(second, nn.Embedding)
    return first.weight, second.weight


def write(path: Path, vectors: tuple[Tensor, Tensor], metadata: Mapping[str, str]) -> str:
    """Writes one file in float32, and returns its sha256; `metadata` has to hold the word.

    The same vectors and metadata give the same bytes.
    """
    parts = zip(KEYS, vectors, strict=True)
    tensors = {key: part.detach().to("cpu", torch.float32).contiguous() for key, part in parts}
    data = repeatable(save(tensors, metadata=dict(metadata)))
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


class Vectors:
    """The vectors of a word that a training moves. They begin as the tokens of `like`, taken in turn."""

    def __init__(self, base: Base, *, word: str, number: int, like: str) -> None:
        self.base, self.word = base, word
        self._first = tuple(vectors.to(base.device) for vectors in _tokens_of(base, like, number))
        self.vectors = tuple(nn.Parameter(vectors.clone()) for vectors in self._first)

    def parameters(self) -> Iterator[nn.Parameter]:
        yield from self.vectors

    def attach(self) -> None:
        """From here on prompts that hold the word are embedded with the vectors, gradients included."""
        first, second = self.vectors
        self.base.words = {self.word: (first, second)}
        self.base.text_state = ("learning", next(_MOMENTS))  # embeddings of this moment serve no other

    def detach(self) -> None:
        self.base.words, self.base.text_state = {}, ()

    def write(self, path: Path, metadata: Mapping[str, str]) -> str:
        """Writes one file, and returns its sha256."""
        first, second = self.vectors
        return write(path, (first, second), {**metadata, WORD: self.word})

    def norm(self) -> float:
        """How far the vectors have gone: the Frobenius norm of what was learned."""
        moved = (now.detach() - before for now, before in zip(self.vectors, self._first, strict=True))
        return float(sum(float(part.square().sum()) for part in moved) ** 0.5)


def _tokens_of(base: Base, text: str, number: int) -> tuple[Tensor, Tensor]:
    """(number, width) for each encoder: the embeddings of the tokens of `text`, over and over."""
    found = []
    for tokenizer, table in zip(base.tokenizers, _tables(base), strict=True):
        ids = tokenizer(text, add_special_tokens=False).input_ids or [tokenizer.unk_token_id]
        found.append(torch.stack([table[ids[n % len(ids)]] for n in range(number)]).detach().float())
    return found[0], found[1]
