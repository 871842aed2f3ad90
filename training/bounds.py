"""The advanced drawer: what may be changed by hand, within which bounds, and what each thing does."""

from __future__ import annotations

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.kit.errors import Refusal
from gpu.engine.catalogue import TrainingProfile

LORA, DREAMBOOTH, TEXTUAL_INVERSION = "lora", "dreambooth", "textual_inversion"
METHODS: dict[str, str | Promise] = {
    LORA: gettext_lazy("LoRA"),
    DREAMBOOTH: gettext_lazy("DreamBooth"),
    TEXTUAL_INVERSION: gettext_lazy("Textual inversion"),
}
OPTIMIZERS: dict[str, str | Promise] = {
    "adamw": gettext_lazy("AdamW"),
    "adamw8bit": gettext_lazy("AdamW, 8 bit"),
    "prodigy": gettext_lazy("Prodigy"),
    "adafactor": gettext_lazy("Adafactor"),
}
MIN_STEPS, MAX_STEPS = 100, 4_000  # for any base
RANKS = (1, 128)
BATCHES = (1, 4)
LEARNING_RATES = (1e-5, 1e-3)  # wider than any of the peers' recipes; a base's own profile may go beyond
# A word's vectors are few and their numbers small: they want steps that would break a LoRA.
WORD_LEARNING_RATES = (1e-4, 5e-3)
LOWEST_RATE = min(LEARNING_RATES[0], WORD_LEARNING_RATES[0])
HIGHEST_RATE = max(LEARNING_RATES[1], WORD_LEARNING_RATES[1])


def learning_rates(method: str) -> tuple[float, float]:
    return WORD_LEARNING_RATES if method == TEXTUAL_INVERSION else LEARNING_RATES


def batches(recipe: TrainingProfile) -> tuple[int, int]:
    """Of a base: its own recipe is never out of bounds."""
    return BATCHES[0], max(BATCHES[1], recipe.batch)


def whole(wanted: dict[str, Any], name: str, default: int, bounds: tuple[int, int]) -> int:
    """A whole number from what the artist asked for. Raises Refusal with the field's name."""
    if name not in wanted:
        return default
    label = name.capitalize()
    try:
        value = int(str(wanted[name]))
    except ValueError:
        raise Refusal(
            _("%(name)s must be a whole number.") % {"name": label}, code="not_a_number", field=name
        ) from None
    low, high = bounds
    if not low <= value <= high:
        say = _("%(name)s must be from %(low)s to %(high)s.") % {"name": label, "low": low, "high": high}
        raise Refusal(say, code="out_of_bounds", field=name)
    return value


def learning_rate(wanted: dict[str, Any], default: float, method: str) -> float:
    if "learning_rate" not in wanted:
        return default
    try:
        value = float(str(wanted["learning_rate"]))
    except ValueError:
        say = _("The learning rate must be a number.")
        raise Refusal(say, code="not_a_number", field="learning_rate") from None
    low, high = learning_rates(method)
    if not low <= value <= high:
        say = _("The learning rate must be from %(low)s to %(high)s.") % {"low": plain(low), "high": plain(high)}
        raise Refusal(say, code="out_of_bounds", field="learning_rate")
    return value


def resolution(wanted: dict[str, Any], recipe: TrainingProfile) -> int:
    offered = recipe.resolutions
    value = whole(wanted, "resolution", recipe.resolution, (min(offered), max(offered)))
    if value not in offered:
        say = _("This base learns at %(sizes)s pixels.") % {"sizes": ", ".join(str(one) for one in offered)}
        raise Refusal(say, code="out_of_bounds", field="resolution")
    return value


def choice(wanted: dict[str, Any], name: str, offered: dict[str, str | Promise], default: str) -> str:
    value = str(wanted.get(name, default))
    if value not in offered:
        say = _("%(name)s must be one of: %(words)s.") % {"name": name.capitalize(), "words": ", ".join(offered)}
        raise Refusal(say, code="unknown_choice", field=name)
    return value


def plain(number: float) -> str:
    """0.00001 and not 1e-05."""
    return f"{number:.6f}".rstrip("0")
