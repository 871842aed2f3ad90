"""Months of the calendar, as Stripe counts them: the 31st becomes the last day of a shorter month."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime

from config.stack.stripe_double.clock import DAY
from config.stack.stripe_double.store import Thing


def period_after(start: int, recurring: Thing, *, anchor: int) -> int:
    """The end of the period that begins at `start`; `anchor` gives the day of the month."""
    count: int = recurring["interval_count"]
    if recurring["interval"] in ("day", "week"):
        return start + count * DAY * (7 if recurring["interval"] == "week" else 1)
    months = count * (12 if recurring["interval"] == "year" else 1)
    begun, anchored = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(anchor, UTC)
    index = begun.year * 12 + begun.month - 1 + months
    year, month = divmod(index, 12)
    day = min(anchored.day, calendar.monthrange(year, month + 1)[1])
    return int(begun.replace(year=year, month=month + 1, day=day).timestamp())
