"""Words, numbers and small parts that every template needs. Registered as a builtin: no `{% load %}`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import template
from django.conf import settings
from django.core.paginator import Page
from django.forms import (
    BaseForm,
    BoundField,
    CheckboxInput,
    CheckboxSelectMultiple,
    FileInput,
    RadioSelect,
    Textarea,
)
from django.template.context import Context
from django.templatetags.static import static
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.kit import charts
from config.kit.errors import Refusal
from config.kit.icons import SPRITE, UnknownIcon, icon_names
from config.kit.rendering import page_of

register = template.Library()

NARROW_SPACE = "\u202f"
MINUTE, HOUR = 60, 3600


@register.simple_tag
def icon(name: str, size: str = "") -> SafeString:
    """An icon of the sprite: `{% icon "check" %}`, `{% icon "check" "lg" %}`. An unknown name is an error."""
    if name not in icon_names():
        raise UnknownIcon(f"there is no icon named “{name}” in {SPRITE}")
    classes = f"icon {size}".strip()
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>', classes, static(SPRITE), name)


@register.simple_tag
def ratio(width: int | None, height: int | None) -> str:
    """Width over height for `data-ratio`, with a dot in every language. Without a size it is a square."""
    return f"{(width or 1) / (height or 1):.3f}".rstrip("0").rstrip(".")


@register.simple_tag(takes_context=True)
def current(context: Context, *prefixes: str) -> SafeString | str:
    """`aria-current="page"` when the page's address begins with one of the prefixes."""
    request = context.get("request")
    here = bool(request and any(request.path.startswith(prefix) for prefix in prefixes))
    return SafeString(' aria-current="page"') if here else ""


@register.simple_tag(takes_context=True)
def absolute(context: Context, path: str) -> str:
    """The whole address of a path of this site, for what is read elsewhere: cards of shared links, mails."""
    request = context.get("request")
    return request.build_absolute_uri(path) if request else f"{settings.PUBLIC_URL}{path}"


@register.inclusion_tag("ui/ways_up.html", takes_context=True)
def ways_up(context: Context, refusal: Refusal, place: str = "") -> dict[str, Any]:
    """What would lift a refusal, as links that lead back here. `place` is explained in the template."""
    request = context.get("request")
    here = page_of(request) if request else ""
    return {"ways": [way.back_to(here) for way in refusal.ways_up], "place": place}


@register.filter
def dot(value: float | Decimal | None) -> str:
    """A number as HTML attributes want it: with a dot, in every language."""
    return "" if value is None else f"{value:g}"


@register.filter
def number(value: float | None) -> str:
    """A whole number with its thousands apart: 1284 is 1,284."""
    return "" if value is None else number_format(int(value), use_l10n=True, force_grouping=True)


@register.filter
def credits(value: int | None) -> str:
    """A price or a balance with its word: 1 credit, 14 credits."""
    count = int(value or 0)
    return ngettext("%(n)s credit", "%(n)s credits", count) % {"n": number(count)}


@register.filter
def signed(value: int) -> str:
    """An amount in the ledger: −40, +300, 0, with a true minus."""
    return f"−{number(-value)}" if value < 0 else f"+{number(value)}" if value else "0"


@register.filter
def percent(share: float | None) -> str:
    """A share from 0 to 1 as whole percent: 0.716 is 71 %. It never says 100 before it is done."""
    return f"{int((share or 0) * 100 + 1e-9)}{NARROW_SPACE}%"


@register.filter
def time_left(seconds: float | None) -> str:
    """How long something still takes, as vague as it is: “about 11 minutes”, “9 seconds”."""
    if seconds is None:
        return _("a while")
    if seconds < MINUTE:
        count = max(1, round(seconds))
        return ngettext("%(n)s second", "%(n)s seconds", count) % {"n": count}
    if seconds < 1.5 * HOUR:
        count = round(seconds / MINUTE)
        return ngettext("about %(n)s minute", "about %(n)s minutes", count) % {"n": count}
    count = round(seconds / HOUR)
    return ngettext("about %(n)s hour", "about %(n)s hours", count) % {"n": count}


@register.filter
def initials(name: str | None) -> str:
    """One or two letters that stand for a person: “Ines Moreau” is IM."""
    words = [word for word in (name or "").replace("@", " ").replace(".", " ").split() if word]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"


@register.filter
def control(field: BoundField, classes: str = "") -> SafeString:
    """A form field's widget in house style; help and errors are already tied to it by Django."""
    widget = field.field.widget
    plain = isinstance(widget, CheckboxInput | RadioSelect | CheckboxSelectMultiple | FileInput)
    wanted = " ".join(part for part in ("" if plain else "input", classes) if part)
    attrs: dict[str, Any] = {"class": wanted} if wanted else {}
    if isinstance(widget, Textarea) and "rows" not in widget.attrs:
        attrs["rows"] = 3
    return field.as_widget(attrs=attrs)


@register.filter
def control_kind(field: BoundField) -> str:
    """Which shape a form field takes: check, choices or text."""
    widget = field.field.widget
    if isinstance(widget, RadioSelect | CheckboxSelectMultiple):
        return "choices"
    return "check" if isinstance(widget, CheckboxInput) else "text"


@register.inclusion_tag("ui/loss_chart.html")
def loss_chart(
    points: Sequence[tuple[int, float]],
    total: int,
    checkpoints: Sequence[int],
    id: str,
    held_out: Sequence[tuple[int, float]] = (),
) -> dict[str, Any]:
    """The learning curve as SVG under the given id, which a push may swap. `held_out` is a second line."""
    return {**charts.loss_chart(points, total, checkpoints, held_out), "id": id}


@register.inclusion_tag("ui/usage_chart.html")
def usage_chart(
    days: Sequence[Mapping[str, int]], looks: Mapping[str, str], label: str, labels: Sequence[str] = ()
) -> dict[str, Any]:
    """Credits used a day, one mapping of kind to credits for each day of the month, stacked in the order of `looks`."""
    return {**charts.usage_chart(days, looks, labels), "label": label}


@register.simple_tag
def frames(needed: int, limit: int) -> list[dict[str, Any]]:
    """The empty frames of a first drop: the solid ones are needed, the dashed ones will fit."""
    return [{"number": n, "look": "blank" if n <= needed else "spare"} for n in range(1, limit + 1)]


@register.simple_tag
def page_range(page: Page[Any]) -> list[int | str]:
    """The numbers of pages worth showing, with dots between."""
    return list(page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1))


@register.filter
def split(words: str) -> list[str]:
    """The parts of a text between its commas."""
    return words.split(",")


@register.simple_tag
def static_path(*parts: str) -> str:
    """The address of a static file whose name is put together from parts."""
    return static("".join(parts))


@register.filter
def without_placeholders(form: BaseForm | None) -> BaseForm | None:
    """A form of a library whose placeholders only repeat its labels."""
    for field in form.fields.values() if form else ():
        field.widget.attrs.pop("placeholder", None)
    return form
