"""Who writes into an archive, in the order of the rooms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from accounts.exporting.archive import Archive
from accounts.models import User

Write = Callable[[User, Archive], None]


@dataclass(frozen=True)
class Room:
    """`name` is its folder, `say` its line in the README of the archive."""

    name: str
    write: Write
    say: str


_rooms: dict[str, Room] = {}


def register(name: str, write: Write, *, say: str) -> None:
    """What `write` cannot read it leaves to the archive to tell; whatever else it raises ends the export."""
    _rooms[name] = Room(name, write, say)


def rooms() -> list[Room]:
    return list(_rooms.values())
