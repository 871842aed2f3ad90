"""What belongs to the end of an account, room by room; the higher ones first, for they refer to the lower ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from accounts.models import User

Stop = Callable[[User], None]
# how many of what are gone now; what was gone before is not counted again
Erase = Callable[[User], Mapping[str, int]]
# what goes, in a sentence; "" for nothing
Goes = Callable[[User], str]
# why it cannot begin yet, "" when it can
Waits = Callable[[User], str]


@dataclass(frozen=True)
class Room:
    """Each may be called again at any time, also after it was cut short."""

    name: str
    goes: Goes | None = None
    stop: Stop | None = None
    waits: Waits | None = None
    erase: Erase | None = None


_rooms: dict[str, Room] = {}


def register(
    name: str,
    *,
    goes: Goes | None = None,
    stop: Stop | None = None,
    waits: Waits | None = None,
    erase: Erase | None = None,
) -> None:
    """`goes` tells what will be lost, `stop` ends at the ask what must not go on, `waits` holds the end back."""
    _rooms[name] = Room(name, goes, stop, waits, erase)


def what_goes(user: User) -> list[str]:
    """A line for each room that has something to lose, the lower ones first."""
    return [line for room in _rooms.values() if room.goes and (line := room.goes(user))]


def rooms() -> list[Room]:
    """Rooms register from below to above."""
    return list(reversed(_rooms.values()))
