"""What a training will be, said before it starts: steps, checkpoints, minutes, price, and what it will draw."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, cast

from django.conf import settings

from billing.plans import PRICES
from config.kit.errors import Refusal
from gpu.engine.catalogue import QUALITIES, BaseFacts, DeviceKind, Purpose, Quality, describe
from gpu.models import Worker

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

MIN_STEPS, MAX_STEPS = 100, 4_000  # the advanced drawer, for any base
RANKS = (1, 128)
LEARNING_RATES = (1e-5, 1e-3)  # wider than any of the peers' recipes; a base's own profile may go beyond
BATCHES = (1, 4)
OPTIMIZERS = ("adamw", "adamw8bit", "prodigy", "adafactor")


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
    base: str
    seconds: float

    @property
    def price(self) -> int:
        return PRICES["checkpoint"] * len(self.checkpoint_steps)

    @property
    def minutes(self) -> int:
        return max(1, round(self.seconds / 60))

    @property
    def seen(self) -> int:
        """How often each image is seen."""
        return max(1, round(self.steps * self.batch / max(1, self.images)))

    def as_settings(self) -> dict[str, Any]:
        return asdict(self)


def offers(*, images: int, purpose: Purpose = "style") -> list[Plan]:
    """The three qualities, as the page and the API show them."""
    return [plan(images=images, purpose=purpose, quality=quality) for quality in QUALITIES]


def plan(*, images: int, purpose: str, quality: str, advanced: dict[str, Any] | None = None) -> Plan:
    """The recipe of the base for this purpose and quality, with what the artist changed, within bounds."""
    if purpose not in ("style", "person", "character"):
        raise Refusal("Choose Style, Person or Character.", code="unknown_purpose", field="purpose")
    if quality not in QUALITIES:
        raise Refusal("Choose Quick, Standard or Fine.", code="unknown_quality", field="quality")
    aim, level = cast(Purpose, purpose), quality
    facts = describe(settings.BASE_MODEL)
    recipe = facts.training
    wanted = {name: value for name, value in (advanced or {}).items() if value not in (None, "")}
    steps = _whole(wanted, "steps", recipe.steps(images, level, aim), MIN_STEPS, MAX_STEPS)
    rank = _whole(wanted, "rank", recipe.rank, *RANKS)
    checkpoint_steps = recipe.checkpoint_steps(steps, level)
    return Plan(
        purpose=aim,
        quality=level,
        images=images,
        steps=steps,
        checkpoint_steps=checkpoint_steps,
        rank=rank,
        # a rank changed by hand keeps the recipe's proportion of alpha to rank, and with it the strength
        alpha=recipe.alpha * rank / recipe.rank,
        learning_rate=_learning_rate(wanted, recipe.learning_rate),
        batch=_whole(wanted, "batch", recipe.batch, BATCHES[0], max(BATCHES[1], recipe.batch)),
        resolution=_resolution(wanted, facts),
        optimizer=_choice(wanted, "optimizer", OPTIMIZERS),
        method=_choice(wanted, "method", ("lora",)),
        base=facts.name,
        seconds=recipe.seconds(steps, len(checkpoint_steps), device_kind()),
    )


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


def _whole(wanted: dict[str, Any], name: str, default: int, low: int, high: int) -> int:
    if name not in wanted:
        return default
    try:
        value = int(str(wanted[name]))
    except ValueError:
        raise Refusal(f"{name.capitalize()} must be a whole number.", code="not_a_number", field=name) from None
    if not low <= value <= high:
        raise Refusal(f"{name.capitalize()} must be from {low} to {high}.", code="out_of_bounds", field=name)
    return value


def _learning_rate(wanted: dict[str, Any], default: float) -> float:
    if "learning_rate" not in wanted:
        return default
    try:
        value = float(str(wanted["learning_rate"]))
    except ValueError:
        raise Refusal("The learning rate must be a number.", code="not_a_number", field="learning_rate") from None
    if not LEARNING_RATES[0] <= value <= LEARNING_RATES[1]:
        raise Refusal("The learning rate must be from 0.00001 to 0.001.", code="out_of_bounds", field="learning_rate")
    return value


def _resolution(wanted: dict[str, Any], facts: BaseFacts) -> int:
    offered = facts.training.resolutions
    value = _whole(wanted, "resolution", facts.training.resolution, min(offered), max(offered))
    if value not in offered:
        choices = ", ".join(str(one) for one in offered)
        raise Refusal(f"This base learns at {choices} pixels.", code="out_of_bounds", field="resolution")
    return value


def _choice(wanted: dict[str, Any], name: str, offered: tuple[str, ...]) -> str:
    value = str(wanted.get(name, offered[0]))
    if value not in offered:
        raise Refusal(f"{name.capitalize()} must be one of: {', '.join(offered)}.", code="unknown_choice", field=name)
    return value
