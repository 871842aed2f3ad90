"""What a request asks for: nested form fields, read one by one so that an unknown one is noticed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import parse_qsl

from config.stack.stripe_double.errors import ApiError, invalid, required
from config.stack.stripe_double.store import Thing

_PART = re.compile(r"\[([^\]]*)\]")


def parse(encoded: str) -> Thing:
    """`a[b][0][c]=1&expand[]=x` as nested dictionaries; lists have their indices as keys until they are read."""
    tree: Thing = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        head = name.partition("[")[0]
        keys = [head, *_PART.findall(name[len(head) :])]
        node = tree
        for key in keys[:-1]:
            key = key or str(len(node))
            child = node.setdefault(key, {})
            if not isinstance(child, dict):
                raise invalid(name, f"Invalid parameter: {name}")
            node = child
        node[keys[-1] or str(len(node))] = value
    return tree


class Params:
    """One level of parameters. Whatever is never read is unknown, and `end` says so before anything is done."""

    def __init__(self, given: Thing, path: str = "") -> None:
        self._given = given
        self._path = path
        self._unread = set(given)
        self._children: list[Params] = []

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def name_of(self, name: str) -> str:
        return f"{self._path}[{name}]" if self._path else name

    def text(self, name: str, default: str | None = None) -> str | None:
        """A string; an empty one means none, as in Stripe's API."""
        self._unread.discard(name)
        value = self._given.get(name, default)
        if isinstance(value, dict):
            raise invalid(self.name_of(name), f"Invalid string: {value}")
        return value or None

    def need(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise required(self.name_of(name))
        return value

    def one_of(self, name: str, *allowed: str, default: str) -> str:
        value = self.text(name) or default
        if value not in allowed:
            raise invalid(self.name_of(name), f"Invalid {self.name_of(name)}: must be one of {', '.join(allowed)}")
        return value

    def number(self, name: str, default: int | None = None, *, least: int | None = None) -> int | None:
        value = self.text(name)
        if value is None:
            return default
        try:
            number = int(value)
        except ValueError as error:
            raise ApiError(
                f"Invalid integer: {value}", code="parameter_invalid_integer", param=self.name_of(name)
            ) from error
        if least is not None and number < least:
            raise ApiError(
                f"This value must be greater than or equal to {least}.",
                code="parameter_invalid_integer",
                param=self.name_of(name),
            )
        return number

    def decimal(self, name: str) -> float | None:
        value = self.text(name)
        try:
            return None if value is None else float(value)
        except ValueError as error:
            raise invalid(self.name_of(name), f"Invalid decimal: {value}") from error

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise invalid(self.name_of(name), f"Invalid boolean: {value}")
        return value.lower() == "true"

    def inside(self, name: str) -> Params:
        """The level below `name`, empty where nothing was given."""
        self._unread.discard(name)
        value = self._given.get(name, {})
        if value == "":
            value = {}
        if not isinstance(value, dict):
            raise invalid(self.name_of(name), f"Invalid object: {value}")
        child = Params(cast(Thing, value), self.name_of(name))
        self._children.append(child)
        return child

    def each(self, name: str) -> Iterator[Params]:
        """The levels of a list, in order."""
        level = self.inside(name)
        for index in sorted(level._given, key=lambda key: int(key) if key.isdecimal() else 0):
            yield level.inside(index)

    def texts(self, name: str) -> list[str]:
        level = self.inside(name)
        return [text for index in list(level._given) if (text := level.text(index)) is not None]

    def plain(self, name: str) -> Any:
        """As it was given, whatever is in it: for what is only kept and shown again."""
        self._unread.discard(name)
        return _unindexed(self._given.get(name))

    def metadata(self, known: dict[str, str] | None = None) -> dict[str, str]:
        """The metadata after this request: given keys replace, empty values remove, an empty string removes all."""
        self._unread.discard("metadata")
        given = self._given.get("metadata")
        if given == "":
            return {}
        merged = dict(known or {})
        for key, value in cast(Thing, given or {}).items():
            if value == "":
                merged.pop(key, None)
            else:
                merged[key] = value
        return merged

    def end(self) -> None:
        """Everything has been read: what is left is unknown."""
        for name in sorted(self._unread):
            raise ApiError(
                f"Received unknown parameter: {self.name_of(name)}",
                code="parameter_unknown",
                param=self.name_of(name),
            )
        for child in self._children:
            child.end()


def _unindexed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_unindexed(value[key]) for key in sorted(value, key=int)]
    return {key: _unindexed(inner) for key, inner in value.items()}
