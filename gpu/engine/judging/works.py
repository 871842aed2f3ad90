"""The works a style was learned from, as one small file, and the question whether a picture is one of them again.

A work and its mirror image, a crop, a lighter or a recoloured version count as the same; another work by the same hand
does not. Perceptual hashes answer for what was only resaved or recoloured. Features answer for what was cropped: each
work is kept whole and in windows, and what all works share (the hand) is taken off first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gpu.engine import contract
from gpu.engine.contract import StyleWeight
from gpu.engine.disk import write_atomically
from gpu.engine.failures import bad_weights, missing_file
from gpu.engine.judging.features import Floats, available, describe
from gpu.engine.judging.hashing import both_ways, differing_bits, perceptual_hash
from gpu.engine.report import Report

NAME = "works.safetensors"
VERSION = "1"
MAX_FILE = 64 * 2**20  # bytes; two hundred works take 6 MB
FEWEST = 3  # of fewer works one cannot tell the hand from the work: hashes alone answer

# A picture may be a copy from here on. Measured on three sets of 24 works by one hand each, see docs/gpu.md.
NEAR_BITS = 8  # of 64
NEAR_SIMILARITY = 0.65

# Where a crop is looked for: the whole, then four fifths of its sides, in the middle and in the corners.
_PLACES = ((0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
WINDOWS = ((1.0, 0.5, 0.5), *((0.8, x, y) for x, y in _PLACES))


@dataclass(frozen=True)
class Near:
    """The nearest work: its id, the cosine of the features (-1..1), bits of the hashes that differ, and the verdict."""

    work: str
    similarity: float
    bits: int
    near: bool


@dataclass(frozen=True)
class Works:
    """`hashes` (n, 8); `features` (n, windows, 1280) about `centre` (1280), or none where there were no weights."""

    ids: list[str]
    hashes: NDArray[np.uint8]
    features: Floats | None
    centre: Floats | None

    def nearest(self, picture: Image.Image) -> Near:
        """The work that `picture` comes nearest to, by either measure."""
        bits = np.min([differing_bits(self.hashes, own) for own in both_ways(picture)], axis=0)
        similarity = self._similarity(picture)
        work = int(np.argmax(np.maximum(NEAR_BITS - bits, 0) / NEAR_BITS + similarity))
        return Near(
            work=self.ids[work],
            similarity=float(similarity[work]),
            bits=int(bits[work]),
            near=bool(bits[work] <= NEAR_BITS or similarity[work] >= NEAR_SIMILARITY),
        )

    def _similarity(self, picture: Image.Image) -> Floats:
        """To each work, through its best window, of the picture or its mirror image: (n,)."""
        if self.features is None or self.centre is None:
            return np.zeros(len(self.ids), dtype=np.float32)
        own = _unit(describe([picture, ImageOps.mirror(picture)]) - self.centre)
        return np.einsum("nwd,md->nwm", self.features, own).max(axis=(1, 2))


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)


def windows(picture: Image.Image) -> list[Image.Image]:
    """The whole picture, then its windows."""
    cuts = []
    for share, x, y in WINDOWS:
        width, height = round(picture.width * share), round(picture.height * share)
        left, top = round((picture.width - width) * x), round((picture.height - height) * y)
        cuts.append(picture.crop((left, top, left + width, top + height)))
    return cuts


def learn(ids: Sequence[str], pictures: Sequence[Image.Image]) -> Works:
    """The works as they are compared later. `pictures` as an artist brought them, upright RGB."""
    hashes = np.stack([perceptual_hash(picture) for picture in pictures])
    if not available() or len(pictures) < FEWEST:
        return Works(list(ids), hashes, None, None)
    seen = np.stack([describe(windows(picture)) for picture in pictures])
    centre = seen[:, 0].mean(axis=0)  # what they share is the hand, not the work
    return Works(list(ids), hashes, _unit(seen - centre), centre)


def write(path: Path, works: Works) -> str:
    """One safetensors file; returns its sha256."""
    tensors: dict[str, NDArray[np.generic]] = {"hashes": works.hashes}
    if works.features is not None and works.centre is not None:
        tensors |= {"features": works.features.astype(np.float16), "centre": works.centre.astype(np.float32)}
    data = save(tensors, metadata={"version": VERSION, "ids": json.dumps(works.ids)})
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def read(path: Path) -> Works:
    """Raises Failure `missing_file` or `bad_weights`."""
    if not path.is_file():
        raise missing_file("The list of a style's works", path)
    say = "The list of a style's works is damaged."
    if path.stat().st_size > MAX_FILE:
        raise bad_weights(say, detail=f"{path}: {path.stat().st_size} bytes")
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a mapping
        works = Works(
            ids=[str(one) for one in json.loads(header["ids"])],
            hashes=tensors["hashes"],
            features=tensors["features"].astype(np.float32) if "features" in tensors else None,
            centre=tensors.get("centre"),
        )
    except (SafetensorError, KeyError, ValueError) as error:
        raise bad_weights(say, detail=f"{path}: {error}") from error
    if header.get("version") != VERSION or works.hashes.shape != (len(works.ids), 8) or not works.ids:
        raise bad_weights(say, detail=f"{path}: version {header.get('version')}, {works.hashes.shape}")
    return works


def compare(styles: Sequence[StyleWeight], picture: Image.Image, report: Report) -> None:
    """Holds a finished picture against the works of every style in it, and sends one Likeness each.

    A style without such a file is passed over: it was imported, or learned before there was a guard.
    """
    for style in styles:
        if not style.works:
            continue
        found = read(Path(style.works)).nearest(picture)
        report.send(
            contract.Likeness(
                job=report.job,
                style=style.sha256,
                work=found.work,
                similarity=round(found.similarity, 4),
                hash_bits=found.bits,
                near=found.near,
            )
        )
