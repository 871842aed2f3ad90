"""Step 1: fetch the packages, draw every subject in every look, and keep the latents.

python -m gpu.engine.starter.recipe.prepare --home DIR --autoencoder FOLDER
"""

import argparse
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from . import draw, sources

log = logging.getLogger(__name__)

PLAIN_VARIANTS = 4
COLOURED_VARIANTS = 5
CHUNK = 64


@dataclass(frozen=True)
class Row:
    """What one stored latent shows."""

    code: str
    style: str
    background: str
    variant: int


def encode(autoencoder: AutoencoderTiny, pictures: list[Image.Image]) -> torch.Tensor:
    """Pictures → latents, float16, [n, 8, 16, 16]."""
    pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
    pixels = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        return autoencoder.encode(pixels.contiguous()).latents.half()


def variants(icons: dict[str, dict[str, Image.Image]], count: int) -> Iterator[tuple[Row, Image.Image]]:
    """Every icon in `count` placings; seeded per icon, so a further set changes nothing for the others."""
    for style, by_code in icons.items():
        for code, icon in by_code.items():
            rng = Random(f"{style}/{code}")
            for variant in range(count):
                place = draw.placing(rng, variant, PLAIN_VARIANTS)
                yield Row(code, style, place.background, variant), draw.compose(icon, place)


def store(target: Path, autoencoder: AutoencoderTiny, icons: dict[str, dict[str, Image.Image]], count: int) -> None:
    """Encode all variants and write them beside their rows."""
    latents: list[torch.Tensor] = []
    rows: list[Row] = []
    chunk: list[Image.Image] = []
    for row, picture in variants(icons, count):
        rows.append(row)
        chunk.append(picture)
        if len(chunk) == CHUNK:
            latents.append(encode(autoencoder, chunk))
            chunk = []
    if chunk:
        latents.append(encode(autoencoder, chunk))
    write(target, torch.cat(latents), rows)


def write(target: Path, latents: torch.Tensor, rows: list[Row]) -> None:
    """One file: the latents, and what they show in its header."""
    part = target.with_suffix(".part")
    save_file({"latents": latents}, part, {"rows": json.dumps([astuple(row) for row in rows])})
    os.replace(part, target)


def read(path: Path) -> tuple[torch.Tensor, list[Row]]:
    """What `write` wrote: latents [n, 8, 16, 16] in float16, and their rows."""
    with safe_open(path, framework="pt") as stored:
        return stored.get_tensor("latents"), [Row(*row) for row in json.loads(stored.metadata()["rows"])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="where packages, latents and checkpoints are kept")
    parser.add_argument("--autoencoder", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1, help="one is the fastest: the pictures are small")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    started = time.monotonic()
    packages = options.home / "packages"
    sources.fetch(packages)
    subjects = sources.read_subjects()
    autoencoder = AutoencoderTiny.from_pretrained(options.autoencoder).eval()
    trained: dict[str, dict[str, Image.Image]] = {}
    held_out: dict[str, dict[str, Image.Image]] = {}
    for source in sources.SOURCES:
        svgs = sources.read_pictures(packages, source, subjects)
        drawn = {code: icon for code, svg in svgs.items() if (icon := draw.rasterise(svg)) is not None}
        (held_out if source.held_out else trained)[source.style] = drawn
        log.info(f"{source.style}: {len(drawn)} of {len(subjects)} subjects")
    store(options.home / "held_out.safetensors", autoencoder, held_out, 2)
    store(options.home / "trained.safetensors", autoencoder, trained, PLAIN_VARIANTS + COLOURED_VARIANTS)
    log.info(f"done in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
