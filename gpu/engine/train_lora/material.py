"""What a training sees: references, those that are only measured, and pictures of the class. All encoded."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from gpu.engine import contract
from gpu.engine.catalogue import Size, buckets
from gpu.engine.dataset import (
    Latents,
    Reference,
    caption_with_trigger,
    draws,
    encode_picture,
    open_reference,
    reference_of,
)
from gpu.engine.pipelines.painting import Recipe, paint
from gpu.engine.prompts import Prompt
from gpu.engine.train_lora.cache import Cache
from gpu.engine.train_lora.session import Session


@dataclass(frozen=True)
class Material:
    """`learned` and `held_out` share out the references; `prior` shows the class as the bare base knows it."""

    learned: list[Reference]
    held_out: list[Reference]
    prior: list[Reference]
    empty: Prompt


@dataclass(frozen=True)
class _Picture:
    name: str
    path: Path
    text: str
    flip: bool


def gather(session: Session) -> Material:
    """Makes the pictures of the class and encodes everything: first the VAE works, then the text encoders."""
    spec, base, report = session.spec, session.base, session.report
    pictures = [
        _Picture(image.id, Path(image.path), caption_with_trigger(image.caption, spec.trigger_word), spec.flip)
        for image in spec.images
    ]
    count = len(pictures)
    if spec.method == "dreambooth":
        pictures += [_Picture("", path, spec.class_prompt, flip=False) for path in _class_pictures(session)]
    report.phase("encoding")
    cache = Cache(spec.cache_dir, base)
    sizes = buckets(spec.resolution, base.stride)
    with base.present(base.vae):
        latents = [_latents(session, cache, picture, sizes) for picture in pictures]
    with ExitStack() as stack:
        for encoder in base.text_encoders:
            stack.enter_context(base.present(encoder))
        prompts = [_prompt(session, cache, picture.text) for picture in pictures]
        empty = base.unconditional()
    cache.prune()
    encoded = [
        reference_of(picture.name, part, picture.text, prompt)
        for picture, part, prompt in zip(pictures, latents, prompts, strict=True)
    ]
    aside = held_out(count, spec.held_out, spec.seed)
    return Material(
        learned=[encoded[n] for n in range(count) if n not in aside],
        held_out=[encoded[n] for n in sorted(aside)],
        prior=encoded[count:],
        empty=empty,
    )


def held_out(count: int, share: float, seed: int) -> set[int]:
    """Which of `count` references are only measured: at least one if a share is asked for, never more than half."""
    wanted = min(max(1, round(count * share)), count // 2) if share else 0
    return set(torch.randperm(count, generator=draws(seed, "held out", 0)).tolist()[:wanted])


def _latents(session: Session, cache: Cache, picture: _Picture, sizes: list[Size]) -> Latents:
    """One picture's latents, from the cache if they were made before."""
    started = time.monotonic()
    key = {
        "picture": hashlib.sha256(picture.path.read_bytes()).hexdigest(),
        "resolution": session.spec.resolution,
        "flip": picture.flip,
    }
    if found := cache.get(**key):
        latents = Latents.of(found)
    else:
        image = open_reference(picture.path)
        latents = encode_picture(session.base, image, sizes=sizes, flip=picture.flip)
        cache.put(latents.as_tensors(), **key)
    if picture.name:
        width, height = latents.size
        session.report.send(
            contract.Bucket(
                job=session.report.job, image=picture.name, width=width, height=height, kept=round(latents.kept, 3)
            )
        )
    session.estimate.did("encode", time.monotonic() - started)
    session.tell()
    session.report.check()
    return latents


def _prompt(session: Session, cache: Cache, text: str) -> Prompt:
    if found := cache.get(text=text):
        return Prompt(tokens=found["tokens"], pooled=found["pooled"])
    prompt = session.base.prompt(text)
    cache.put({"tokens": prompt.tokens, "pooled": prompt.pooled}, text=text)
    session.report.check()
    return prompt


# --- the class, as the bare base knows it ---


def _class_pictures(session: Session) -> list[Path]:
    """Pictures of the class by the bare base at fixed seeds: those that an earlier attempt left are not made again.

    They keep the base's idea of the class where the references would replace it (DreamBooth: Ruiz et al. 2022,
    arXiv:2208.12242, section 3.2).
    """
    spec, report = session.spec, session.report
    side = session.side
    facts = [spec.base, spec.class_prompt, side, spec.sample_steps, spec.sample_guidance]
    name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    folder = Path(spec.cache_dir or spec.snapshot_dir) / f"class-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03d}.png" for number in range(spec.prior_images)]
    for number, path in enumerate(paths):
        started = time.monotonic()
        if not path.is_file():
            recipe = Recipe(
                prompt=spec.class_prompt,
                negative_prompt="",
                width=side,
                height=side,
                steps=spec.sample_steps,
                guidance=spec.sample_guidance,
                seed=number,
            )
            part = path.with_suffix(".part")
            paint(session.base, recipe, lambda *_: report.check()).save(part, "PNG")
            part.replace(path)  # there whole or not at all
        session.estimate.did("class", time.monotonic() - started)
        session.tell()
        report.check()
    return paths
