"""Values from a form or from JSON, made numbers within bounds; a sentence for those that cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from config.kit.errors import Refusal


def given(data: Mapping[str, Any], field: str) -> Any:
    """The value, or None where nothing was said."""
    value = data.get(field)
    return None if value == "" else value


def text(data: Mapping[str, Any], field: str, name: str) -> str:
    value = data.get(field)
    if value is not None and not isinstance(value, str):
        raise Refusal(_("%(name)s must be text.") % {"name": name}, code="bad_text", field=field)
    return value or ""


def whole(value: Any, *, field: str, name: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    found = _number(value)
    if found is None or found != int(found) or not low <= found <= high:
        say = _("%(name)s must be a whole number from %(low)d to %(high)d.") % {"name": name, "low": low, "high": high}
        raise Refusal(say, code="out_of_bounds", field=field)
    return int(found)


def real(value: Any, *, field: str, name: str, low: float, high: float) -> float:
    """A number from `low` to `high`."""
    found = _number(value)
    if found is None or not low <= found <= high:
        say = _("%(name)s must be a number from %(low)g to %(high)g.") % {"name": name, "low": low, "high": high}
        raise Refusal(say, code="out_of_bounds", field=field)
    return found


def number(value: Any, default: float) -> float:
    """What a form is filled with: the value where it is a number at all."""
    found = _number(value)
    return default if found is None else found


def _number(value: Any) -> float | None:
    """None for what is not a number, for infinities and the like. Whole numbers are exact up to 2**53."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < 2**53 else None
