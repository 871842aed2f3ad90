"""What belongs to the end of an account, room by room; the higher ones first, for they refer to the lower ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from accounts.models import User

Stop = Callable[[User], None]
# how many of what are gone now; what was gone before is not counted again
Erase = Callable[[User], Mapping[str, int]]
# why it cannot begin yet, "" when it can
Waits = Callable[[User], str]


@dataclass(frozen=True)
class Room:
    """Each of the three may be called again at any time, also after it was cut short."""

    name: str
    stop: Stop | None
    waits: Waits | None
    erase: Erase | None


_rooms: dict[str, Room] = {}


def register(name: str, *, stop: Stop | None = None, waits: Waits | None = None, erase: Erase | None = None) -> None:
    """`stop` ends at the ask what must not go on, `waits` holds the end back, `erase` is the end."""
    _rooms[name] = Room(name, stop, waits, erase)


def rooms() -> list[Room]:
    """Rooms register from below to above."""
    return list(reversed(_rooms.values()))
