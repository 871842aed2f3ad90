"""What a training will be, said before it starts: steps, checkpoints, minutes, price, and what it will draw."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, cast

from django.conf import settings
from django.utils.translation import gettext as _

from billing.plans import PRICES
from config.kit.errors import Refusal
from gpu.engine.catalogue import QUALITIES, BaseFacts, DeviceKind, Purpose, Quality, describe
from gpu.models import Worker
from training import bounds

SAMPLE_SEED = 20_261  # one seed for every style: what changes between two styles is the style
SAMPLE_COUNT = 4  # one large and three small beside it

# Subjects a base knows well. A run draws the first four that its references do not show, so that what one sees is
# the style and not a memory of a work.
SUBJECTS: dict[str, tuple[str, ...]] = {
    "starter": (
        "a castle",
        "a fox",
        "a red apple",
        "a sailboat",
        "a tree",
        "an owl",
        "a red car",
        "a butterfly",
        "a guitar",
        "a crown",
        "a fish",
        "a sunflower",
    ),
    "sdxl": (
        "a lighthouse on a cliff above the sea",
        "a fox asleep under an old tree",
        "a bowl of fruit on a kitchen table",
        "a street after the rain",
        "a woman reading by a window",
        "a sailing boat in a harbour",
        "a dancer on a stage",
        "a bridge over a river in winter",
    ),
}

# What a class is called where the captions do not say it better: the word that most of them use.
CLASSES: dict[Purpose, tuple[str, ...]] = {
    "style": ("painting", "drawing", "photograph", "illustration", "sketch"),
    "person": ("person", "woman", "man"),
    "character": ("character", "woman", "man", "robot", "cat", "dog", "fox", "bear", "monster", "creature"),
}
HELD_OUT_FROM = 12  # works; below, every one of them is needed
HELD_OUT_SHARE, HELD_OUT_MOST = 0.1, 3
PRIOR_IMAGES = (20, 48)  # pictures of the class: two for each reference, within these
WORD_LEARNING_RATE = 2e-3  # diffusers' example for SDXL with its scaling by batch and accumulation


@dataclass(frozen=True)
class Plan:
    """A training as it will run. `seconds` is an estimate until the engine has measured its own pace."""

    purpose: Purpose
    quality: Quality
    images: int
    steps: int
    checkpoint_steps: list[int]
    rank: int
    alpha: float
    learning_rate: float
    batch: int
    resolution: int
    optimizer: str
    method: str
    class_prompt: str
    prior_images: int
    held_out: float  # share of the images that is only measured
    base: str
    seconds: float
    wishes: dict[str, Any]  # what the artist changed by hand

    @property
    def price(self) -> int:
        return PRICES["checkpoint"] * len(self.checkpoint_steps)

    @property
    def minutes(self) -> int:
        return max(1, round(self.seconds / 60))

    @property
    def aside(self) -> int:
        """How many images are only measured."""
        return round(self.images * self.held_out)

    @property
    def seen(self) -> int:
        """How often each image is seen."""
        return max(1, round(self.steps * self.batch / max(1, self.images - self.aside)))

    def as_settings(self) -> dict[str, Any]:
        return asdict(self)


def offers(*, images: int, purpose: Purpose = "style") -> list[Plan]:
    """The three qualities, as the page and the API show them."""
    return [plan(images=images, purpose=purpose, quality=quality) for quality in QUALITIES]


def plan(
    *,
    images: int,
    purpose: str,
    quality: str,
    advanced: dict[str, Any] | None = None,
    captions: Iterable[str] = (),
) -> Plan:
    """The recipe of the base for this purpose and quality, with what the artist changed, within bounds.

    A LoRA is the default for every purpose. DreamBooth keeps a class from drifting, but sees two pictures a step where
    a LoRA sees one: twice the minutes for what shows only where others stand beside the one that was learned.
    """
    if purpose not in ("style", "person", "character"):
        raise Refusal(_("Choose Style, Person or Character."), code="unknown_purpose", field="purpose")
    if quality not in QUALITIES:
        raise Refusal(_("Choose Quick, Standard or Fine."), code="unknown_quality", field="quality")
    aim = cast(Purpose, purpose)
    facts = describe(settings.BASE_MODEL)
    recipe = facts.training
    wanted = {name: value for name, value in (advanced or {}).items() if value not in (None, "")}
    method = _method(wanted, aim)
    steps = bounds.whole(wanted, "steps", recipe.steps(images, quality, aim), (bounds.MIN_STEPS, bounds.MAX_STEPS))
    rank = bounds.whole(wanted, "rank", recipe.rank, bounds.RANKS)
    batch = bounds.whole(wanted, "batch", recipe.batch, bounds.batches(recipe))
    resolution = bounds.resolution(wanted, recipe)
    checkpoint_steps = recipe.checkpoint_steps(steps, quality)
    prior_images = _prior_images(images) if method == bounds.DREAMBOOTH else 0
    usual_rate = WORD_LEARNING_RATE if method == bounds.TEXTUAL_INVERSION else recipe.learning_rate
    return Plan(
        purpose=aim,
        quality=quality,
        images=images,
        steps=steps,
        checkpoint_steps=checkpoint_steps,
        rank=rank,
        # a rank changed by hand keeps the recipe's proportion of alpha to rank, and with it the strength
        alpha=recipe.alpha * rank / recipe.rank,
        learning_rate=bounds.learning_rate(wanted, usual_rate, method),
        batch=batch,
        resolution=resolution,
        optimizer=bounds.choice(wanted, "optimizer", bounds.OPTIMIZERS, usual_optimizer(facts)),
        method=method,
        class_prompt=class_prompt(aim, captions) if method != bounds.LORA else "",
        prior_images=prior_images,
        held_out=held_out(images),
        base=facts.name,
        seconds=recipe.seconds(
            steps,
            len(checkpoint_steps),
            device_kind(),
            batch=batch,
            resolution=resolution,
            method=method,
            prior_images=prior_images,
        ),
        wishes=wanted,
    )


def _method(wanted: dict[str, Any], purpose: Purpose) -> str:
    method = bounds.choice(wanted, "method", bounds.METHODS, bounds.LORA)
    if method == bounds.DREAMBOOTH and purpose == "style":
        say = _("DreamBooth keeps one person or character apart from all others: for a style choose LoRA.")
        raise Refusal(say, code="not_for_styles", field="method")
    return method


def _prior_images(images: int) -> int:
    low, high = PRIOR_IMAGES
    return max(low, min(high, 2 * images))


def usual_optimizer(facts: BaseFacts) -> str:
    """Eight bits where a card's memory is short; the small base has no need of it."""
    return "adamw8bit" if facts.native >= 512 else "adamw"


def held_out(images: int) -> float:
    """The share of a set that is only measured: a tenth, at most three works, nothing of a small set."""
    if images < HELD_OUT_FROM:
        return 0.0
    return min(HELD_OUT_MOST, round(images * HELD_OUT_SHARE)) / images


def class_prompt(purpose: Purpose, captions: Iterable[str]) -> str:
    """What the references show one of, such as “a woman”: the class's word that at least half the captions use."""
    words = [set(re.findall(r"[a-z]+", caption.lower())) for caption in captions]
    usual, *others = CLASSES[purpose]
    counts = {name: sum(name in found for found in words) for name in others}
    most = max(counts, key=lambda name: counts[name])
    word = most if words and 2 * counts[most] >= len(words) else usual
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def device_kind() -> DeviceKind:
    """What the workers that are there run on: minutes are said for that."""
    newest = Worker.objects.filter(draining_at=None).order_by("-seen_at").first()
    return "cuda" if newest and "cuda" in newest.device.lower() else "cpu"


def sample_prompts(base: str, captions: Iterable[str]) -> list[str]:
    """Four subjects that the references do not show (by the words of their captions)."""
    known = SUBJECTS.get(base) or SUBJECTS["starter" if describe(base).native < 512 else "sdxl"]
    shown = {word for caption in captions for word in _words(caption)}
    absent = [subject for subject in known if not shown & _words(subject)]
    return (absent + [subject for subject in known if subject not in absent])[:SAMPLE_COUNT]


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in re.findall(r"[a-z]{3,}", text.lower())} - {"the", "and", "with"}
