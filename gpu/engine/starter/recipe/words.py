"""Step 2b: a word that the base does not know must not disturb what it draws.

A style's trigger word means nothing to the base, yet to small text encoders it is not nothing: "a fox, zekvom" was a
fox half as often as "a fox" was. So they learn, from themselves alone and in a few minutes, to read a caption with an
invented word as they read it without, and every known caption as before. `export` does it last.
"""

import copy
import logging
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTokenizer

from . import captions, draw, sources

log = logging.getLogger(__name__)

STEPS, BATCH, RATE = 1200, 16, 5e-4
STYLES = tuple(source.style for source in sources.SOURCES if not source.held_out)
CONSONANTS, VOWELS = "bdfgjklmnprstvzgkvz", "aeiou"
MEETINGS = ("kv", "zv", "zk", "vk", "zg", "jk", "zr", "vm", "zd", "gz", "kz", "mb", "nk", "rl", "st", "lt")


def invented(rng: Random) -> str:
    """A word of two or three syllables that can be said and means nothing."""
    word = rng.choice(CONSONANTS) + rng.choice(VOWELS) + rng.choice(MEETINGS) + rng.choice(VOWELS)
    return (
        word
        + "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(rng.randrange(2)))
        + (rng.choice("lmnrst") if rng.random() < 0.7 else "")
    )


def disturbed(rng: Random, text: str) -> str:
    """The caption with an invented word where trigger words stand: behind it, now and then before it."""
    if not text:
        return invented(rng)
    return f"{text}, {invented(rng)}" if rng.random() < 0.85 else f"{invented(rng)}, {text}"


def read(encoders: list[nn.Module], tokenizer: CLIPTokenizer, texts: list[str]) -> tuple[Tensor, Tensor]:
    """What the UNet is given: tokens (n, length, both widths) and the pooled embedding (n, width)."""
    ids = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    outputs = [encoder(ids, output_hidden_states=True) for encoder in encoders]
    return torch.cat([output.hidden_states[-2] for output in outputs], dim=-1), outputs[1].text_embeds


def settle(first: nn.Module, second: nn.Module, tokenizer: CLIPTokenizer, *, seed: int = 0) -> None:
    """Trains both text encoders in place."""
    teachers = [copy.deepcopy(encoder).eval().requires_grad_(False) for encoder in (first, second)]
    students = [encoder.requires_grad_(True) for encoder in (first, second)]
    parameters = [weight for encoder in students for weight in encoder.parameters()]
    tokenizer = copy.deepcopy(tokenizer)  # it keeps how it was asked to pad, which is not to be shipped
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.99), weight_decay=0.0)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.05)
    rng, names = Random(seed), list(sources.read_subjects().values())
    backgrounds = ("white", *draw.COLOURS)
    for step in range(1, STEPS + 1):
        plain = [
            captions.caption(
                rng,
                name=rng.choice(names),
                style=rng.choice(STYLES),
                background=rng.choice(backgrounds) if rng.random() < 0.5 else "white",
            )
            for _ in range(BATCH)
        ]
        wanted = read(teachers, tokenizer, plain)
        known = read(students, tokenizer, plain)
        heard = read(students, tokenizer, [disturbed(rng, text) for text in plain])
        keeps = sum(functional.mse_loss(*pair) for pair in zip(known, wanted, strict=True))
        ignores = sum(functional.mse_loss(*pair) for pair in zip(heard, wanted, strict=True))
        (keeps + ignores).backward()
        optimizer.step()
        optimizer.zero_grad()
        rate.step()
        if step % 100 == 0:
            log.info(f"words: step {step} keeps {float(keeps):.4f} ignores {float(ignores):.4f}")
    for encoder in students:
        encoder.eval().requires_grad_(False)
