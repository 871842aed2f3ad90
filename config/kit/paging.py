"""Lists newest first, paged by key: what is added or deleted meanwhile neither repeats nor skips a row."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from config.kit.errors import Refusal

Row = TypeVar("Row", bound=Model)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """`next` is the cursor of the page after this one, empty on the last."""

    items: list[Row]
    next: str


def page_of(rows: QuerySet[Row], *, cursor: str = "", size: int) -> Page[Row]:
    """The `size` rows after `cursor`, by `created_at` and `public_id`, newest first."""
    if cursor:
        at, public_id = _read(cursor)
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, public_id__lt=public_id))
    found = list(rows.order_by("-created_at", "-public_id")[: size + 1])
    items = found[:size]
    return Page(items=items, next=cursor_of(items[-1]) if len(found) > size else "")


def cursor_of(row: Any) -> str:
    """The place of `row` in its list."""
    return f"{(row.created_at - _EPOCH) // _MICROSECOND}-{row.public_id.hex}"


def time_of(cursor: str) -> datetime.datetime:
    """When the last row before `cursor`'s page was made."""
    return _read(cursor)[0]


def _read(cursor: str) -> tuple[datetime.datetime, uuid.UUID]:
    at, _dash, public_id = cursor.partition("-")
    try:
        return _EPOCH + int(at) * _MICROSECOND, uuid.UUID(hex=public_id)
    except (ValueError, OverflowError) as error:
        say = _("This page of the list cannot be found. Start again from the first one.")
        raise Refusal(say, code="bad_cursor", field="cursor") from error
