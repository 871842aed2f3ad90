"""Figures of a person's own use. Rooms above add theirs in `AppConfig.ready()`; this room knows none of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from accounts.models import User

# how much since a moment, or in all
Counter = Callable[[User, datetime | None], int]
_counters: dict[str, Counter] = {}


def register(name: str, counter: Counter) -> None:
    """Add a figure to `GET /me/usage`."""
    _counters[name] = counter


def usage_of(user: User, *, since: datetime | None) -> dict[str, int]:
    """Every figure there is, in the order of the rooms."""
    return {name: counter(user, since) for name, counter in _counters.items()}
