"""Step 5: does the base draw what it is asked for? Figures for `docs/starter.md`.

    python -m gpu.engine.starter.recipe.measure --home DIR --weights FOLDER

It draws subjects in several looks and asks, for each picture, which of all true pictures of that look lies nearest in
the autoencoder's latent space. Chance finds the right one among some 155 in 0.6 % of cases.
"""

import argparse
import json
import logging
from pathlib import Path
from random import Random

import torch
from diffusers import StableDiffusionXLPipeline
from torch.nn import functional

from . import captions, prepare, sheet, sources

log = logging.getLogger(__name__)

STYLES = ("noto", "twemoji", "flat", "emojione")
SUBJECTS_PER_STYLE = 24
SEED = 1000
"""Apart from the contact sheet's seeds."""


def ranks(drawn: torch.Tensor, truth: torch.Tensor, right: list[int]) -> torch.Tensor:
    """Per drawn picture [n, c, h, w]: how many true ones [m, c, h, w] lie as near as the right one; 1 is best.

    Nearness is the cosine after the mean true picture is taken away, which all icons on white have in common.
    """
    mean = truth.mean(dim=0)
    ours = functional.normalize((drawn - mean).flatten(1), dim=1)
    theirs = functional.normalize((truth - mean).flatten(1), dim=1)
    nearness = ours @ theirs.T
    return (nearness >= nearness[torch.arange(len(drawn)), right][:, None]).sum(dim=1)


def frechet(first: torch.Tensor, second: torch.Tensor) -> float:
    """How far apart two looks are, whatever they show: Fréchet distance of the 3 × 3 patches of their latents."""
    return frechet_of(_patches(first), _patches(second))


def frechet_of(left: torch.Tensor, right: torch.Tensor) -> float:
    """Fréchet distance of two clouds of vectors [n, d], each taken for a normal distribution."""
    left_spread, right_spread = torch.cov(left.T), torch.cov(right.T)
    root = _square_root(left_spread)
    overlap = _square_root(root @ right_spread @ root)
    apart = (left.mean(dim=0) - right.mean(dim=0)).square().sum()
    return (apart + torch.trace(left_spread) + torch.trace(right_spread) - 2 * torch.trace(overlap)).item()


def _patches(latents: torch.Tensor) -> torch.Tensor:
    patches = functional.unfold(latents.float(), 3).transpose(1, 2)
    return patches.reshape(-1, patches.shape[-1]).double()


def _square_root(matrix: torch.Tensor) -> torch.Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def true_pictures(path: Path, style: str) -> tuple[list[str], torch.Tensor]:
    """Code points and latents of one look, as drawn and on white."""
    latents, rows = prepare.read(path)
    known = sources.read_subjects()  # the file may hold more, from when the list was longer
    chosen = [n for n, row in enumerate(rows) if row.style == style and row.variant == 0 and row.code in known]
    return [rows[n].code for n in chosen], latents[chosen].float()


def follow(pipeline: StableDiffusionXLPipeline, home: Path, style: str) -> dict[str, float]:
    """Draw some subjects in one look: the shares found first and among the first five, and the look's distance."""
    names = sources.read_subjects()
    codes, truth = true_pictures(home / "trained.safetensors", style)
    right = Random(style).sample(range(len(codes)), SUBJECTS_PER_STYLE)
    prompts = [f"{captions.with_article(names[codes[number]])}, {style} style" for number in right]
    drawn = prepare.encode(pipeline.vae, sheet.draw_all(pipeline, prompts, seed=SEED)).float()
    found = ranks(drawn, truth, right)
    return {
        "first": (found == 1).float().mean().item(),
        "first_five": (found <= 5).float().mean().item(),
        "middle_rank": found.median().item(),
        "of": len(codes),
        "look_distance": frechet(drawn, truth),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    pipeline = StableDiffusionXLPipeline.from_pretrained(options.weights, torch_dtype=torch.float32)
    figures = {style: follow(pipeline, options.home, style) for style in STYLES}
    mean = {name: sum(figure[name] for figure in figures.values()) / len(figures) for name in figures[STYLES[0]]}
    log.info(json.dumps(figures | {"mean": mean}, indent=2))


if __name__ == "__main__":
    main()
