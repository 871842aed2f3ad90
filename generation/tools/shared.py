"""What tools read alike: prompt and styles, size, seed, count, steps, guidance and tier, within base and plan."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.models import User
from billing.allowance import allow_steps, steps_at_most
from config.kit.errors import Refusal
from config.kit.text import one_line
from generation.prompts import with_triggers
from generation.sources import Source
from generation.tools import StyleChoice, Wish
from generation.tools.reading import given, real, text, whole
from gpu.engine import catalogue
from gpu.engine.contract import MAX_PROMPT
from styles import rules
from styles.models import Adapter, Style
from styles.queries import valid_consent

MAX_COUNT = 8
MAX_SEED = 2**32 - 1
MIN_GUIDANCE, MAX_GUIDANCE = 0.0, 20.0  # beyond it every base burns its colours
MAX_WEIGHT = 1.5  # beyond it a style tears the picture apart
MAX_STYLES = 8
FAST_GUIDANCE = 1.0  # a few-step LoRA is made for one pass without guidance


@dataclass(frozen=True)
class Bounds:
    """What the form offers this person, with the values it starts from."""

    owner: User
    base: catalogue.BaseFacts
    max_steps: int

    @property
    def steps(self) -> int:
        return min(self.base.steps, self.max_steps)


def bounds(owner: User) -> Bounds:
    base = base_here()
    return Bounds(owner=owner, base=base, max_steps=min(base.max_steps, steps_at_most(owner)))


def base_here() -> catalogue.BaseFacts:
    """The base that this installation draws with."""
    return catalogue.describe(settings.BASE_MODEL)


def painted(
    owner: User,
    data: Mapping[str, Any],
    *,
    size: catalogue.Size,
    count: int = 1,
    needs_prompt: bool = True,
    options: Mapping[str, Any] | None = None,
    source: Source | None = None,
    source_size: catalogue.Size | None = None,
    mask: bytes | None = None,
) -> Wish:
    """The wish of a tool that paints, with everything shared read and checked.

    What is left out gets the base's own value, a seed that is left out a new one; `count` where none is given.
    """
    offer = bounds(owner)
    prompt = _prompt(data, needed=needs_prompt)
    styles = _styles(owner, data.get("styles") or [], offer.base)
    tier = _tier(data, offer.base)
    fast = tier == "fast"
    wanted = read_count(data, default=count)
    params: dict[str, Any] = {
        "base": settings.BASE_MODEL,
        "width": size[0],
        "height": size[1],
        "steps": offer.base.fast_steps if fast else _steps(data, offer),
        "guidance": FAST_GUIDANCE if fast else _guidance(data, offer.base),
        "tier": tier,
        "count": wanted,
        "options": dict(options or {}),
    }
    if source_size is not None:
        params["source_size"] = list(source_size)
    return Wish(
        prompt=prompt,
        full_prompt=_full(prompt, styles),
        negative_prompt=_negative(data),
        seed=read_seed(data),
        count=wanted,
        params=params,
        styles=styles,
        source=source,
        mask=mask,
    )


def read_seed(data: Mapping[str, Any]) -> int:
    """The first picture's; drawn by lot where none is given."""
    return _whole(data, "seed", _("A seed"), 0, MAX_SEED, default=secrets.randbelow(MAX_SEED + 1))


def read_count(data: Mapping[str, Any], *, default: int = 1) -> int:
    return _whole(data, "count", _("The number of pictures"), 1, MAX_COUNT, default=default)


def offered_size(data: Mapping[str, Any], base: catalogue.BaseFacts, *, default: catalogue.Size) -> catalogue.Size:
    """One of the base's own sizes, by `width` and `height`."""
    asked = (given(data, "width"), given(data, "height"))
    if asked == (None, None):
        return default
    for size in base.sizes:
        if (str(asked[0]), str(asked[1])) == (str(size[0]), str(size[1])):
            return size
    offered = ", ".join(f"{width} × {height}" for width, height in base.sizes)
    say = _("%(base)s makes pictures of these sizes: %(sizes)s.") % {"base": base.title, "sizes": offered}
    raise Refusal(say, code="size_not_offered", field="width")


def options_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tool's own settings."""
    options = data.get("options") or {}
    if not isinstance(options, Mapping):
        raise Refusal(_("`options` is an object of the tool's own settings."), code="bad_options", field="options")
    return options


def _prompt(data: Mapping[str, Any], *, needed: bool) -> str:
    prompt = one_line(text(data, "prompt", _("The prompt")), field="prompt", name=_("The prompt"), most=MAX_PROMPT)
    if needed and not prompt:
        raise Refusal(_("Say what it should draw: the prompt is empty."), code="prompt_missing", field="prompt")
    return prompt


def _negative(data: Mapping[str, Any]) -> str:
    name = _("“Leave out”")
    return one_line(text(data, "negative_prompt", name), field="negative_prompt", name=name, most=MAX_PROMPT)


def _tier(data: Mapping[str, Any], base: catalogue.BaseFacts) -> str:
    value = given(data, "tier")
    if value is None:
        return "fine"
    if value not in base.tiers:
        say = _("%(base)s works in these tiers: %(tiers)s.")
        raise Refusal(say % {"base": base.title, "tiers": ", ".join(base.tiers)}, code="tier_not_offered", field="tier")
    return str(value)


def _whole(data: Mapping[str, Any], field: str, name: str, low: int, high: int, *, default: int) -> int:
    value = given(data, field)
    return default if value is None else whole(value, field=field, name=name, low=low, high=high)


def _steps(data: Mapping[str, Any], offer: Bounds) -> int:
    steps = _whole(data, "steps", _("Steps"), 1, offer.base.max_steps, default=offer.steps)
    allow_steps(offer.owner, steps)
    return steps


def _guidance(data: Mapping[str, Any], base: catalogue.BaseFacts) -> float:
    value = given(data, "guidance")
    if value is None:
        return base.guidance
    return real(value, field="guidance", name=_("Guidance"), low=MIN_GUIDANCE, high=MAX_GUIDANCE)


def _styles(owner: User, asked: Any, base: catalogue.BaseFacts) -> list[StyleChoice]:
    if not isinstance(asked, Sequence) or isinstance(asked, str) or len(asked) > MAX_STYLES:
        say = _("Styles are a list of at most %(most)d.") % {"most": MAX_STYLES}
        raise Refusal(say, code="too_many_styles", field="styles")
    chosen = [_style(owner, entry, base) for entry in asked]
    if len({choice.style.pk for choice in chosen}) < len(chosen):
        raise Refusal(_("A style is named twice. Once is enough."), code="style_twice", field="styles")
    return [choice for choice in chosen if choice.weight > 0]  # a weight of nothing leaves a style out


def _style(owner: User, entry: Any, base: catalogue.BaseFacts) -> StyleChoice:
    if not isinstance(entry, Mapping):
        raise Refusal(_("Each style is named by its id, with a weight."), code="bad_style", field="styles")
    style = _own_style(owner, entry.get("id"))
    rules.may_work_with(style)
    weight = given(entry, "weight")
    if weight is None:
        weight = 1.0
    weight = real(weight, field="styles", name=_("A style's weight"), low=0.0, high=MAX_WEIGHT)
    adapter = _version(style, given(entry, "version"))
    if adapter.base != settings.BASE_MODEL:
        say = _("“%(style)s” version %(number)d was trained on another base, so %(base)s cannot use it.")
        values = {"style": style.name, "number": adapter.number, "base": base.title}
        raise Refusal(say % values, code="other_base", field="styles")
    require_consent(style)
    return StyleChoice(style=style, adapter=adapter, weight=weight)


def require_consent(style: Style) -> None:
    """A person is drawn as long as they agree. Raises `Refusal`."""
    if style.kind == Style.Kind.PERSON and valid_consent(style) is None:
        say = _("“%(style)s” shows a person whose consent has ended, so it cannot be used.") % {"style": style.name}
        raise Refusal(say, code="consent_missing", field="styles")


def _own_style(owner: User, public_id: Any) -> Style:
    try:
        key = uuid.UUID(str(public_id))
    except ValueError:
        key = None
    style = Style.objects.owned_by(owner).filter(public_id=key).first() if key else None
    if style is None:
        say = _("One of the styles is not among yours. It may have been deleted.")
        raise Refusal(say, code="style_missing", field="styles")
    style.owner = owner  # at hand already
    return style


def _version(style: Style, asked: Any) -> Adapter:
    if asked is None:
        adapter = style.active_adapter
        if adapter is None or adapter.state != Adapter.State.READY:
            say = _("“%(style)s” has no trained version yet. Train it first.") % {"style": style.name}
            raise Refusal(say, code="style_untrained", field="styles")
        return adapter
    number = whole(asked, field="styles", name=_("A version"), low=1, high=style.next_version)
    adapter = style.adapters.filter(number=number, state=Adapter.State.READY).first()
    if adapter is None:
        say = _("“%(style)s” has no version %(number)d that can be used.") % {"style": style.name, "number": number}
        raise Refusal(say, code="version_missing", field="styles")
    return adapter


def _full(prompt: str, styles: list[StyleChoice]) -> str:
    full = with_triggers(prompt, (choice.style.trigger_word for choice in styles))
    if len(full) > MAX_PROMPT:
        say = _("Together with the styles' trigger words the prompt has %(count)d characters; %(most)d are the most.")
        raise Refusal(say % {"count": len(full), "most": MAX_PROMPT}, code="too_long", field="prompt")
    return full
