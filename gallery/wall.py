"""The wall's days: pictures under the day on which they were made."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from config.kit.paging import time_of
from gallery.models import Artwork


@dataclass(frozen=True)
class Day:
    """`title` is empty where the day has begun on the page before."""

    date: datetime.date
    title: str
    tiles: list[SafeString]


def by_day(artworks: Sequence[Artwork], *, after: str, tile: Callable[[Artwork, int], SafeString]) -> list[Day]:
    """The page's pictures by day; `after` is the cursor of the page, `tile` renders the picture at a place."""
    begun = _date(time_of(after)) if after else None
    numbered = enumerate(artworks)
    return [
        Day(
            date=date,
            title="" if date == begun else _title(date),
            tiles=[tile(artwork, place) for place, artwork in pictures],
        )
        for date, pictures in groupby(numbered, key=lambda one: _date(one[1].created_at))
    ]


def _date(at: datetime.datetime) -> datetime.date:
    return timezone.localtime(at).date()


def _title(date: datetime.date) -> str:
    days = (timezone.localdate() - date).days
    if days == 0:
        return _("Today")
    if days == 1:
        return _("Yesterday")
    return date_format(date, "l j F" if days < 300 else "j F Y")
