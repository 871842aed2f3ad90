"""Everything the double knows, as plain data: it can be written down and read again."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.stack.stripe_double.errors import missing

Thing = dict[str, Any]
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# what a sentence calls the things whose name in the API is another
_WORDS = {"checkout.session": "checkout.session", "payment_method": "PaymentMethod", "payment_intent": "payment_intent"}


def new_id(prefix: str, letters: int = 24) -> str:
    return f"{prefix}_{''.join(secrets.choice(_LETTERS) for _ in range(letters))}"


class Store:
    """Things by kind and id, in the order of their making, and what stands behind them without being shown."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._things: dict[str, dict[str, Thing]] = {}
        self._kinds: dict[str, str] = {}
        self.behind: dict[str, Thing] = {}
        self.answers: dict[str, Thing] = {}  # by idempotency key
        self.deliveries: list[Thing] = []
        self.settings: Thing = {}
        if path is not None and path.exists():
            self._read(path)

    def add(self, thing: Thing) -> Thing:
        self._things.setdefault(thing["object"], {})[thing["id"]] = thing
        self._kinds[thing["id"]] = thing["object"]
        return thing

    def remove(self, thing: Thing) -> None:
        del self._things[thing["object"]][thing["id"]]
        del self._kinds[thing["id"]]

    def find(self, object_id: str) -> Thing | None:
        kind = self._kinds.get(object_id)
        return None if kind is None else self._things[kind][object_id]

    def get(self, kind: str, object_id: str, *, param: str = "id") -> Thing:
        """The thing of that kind; a refusal where there is none (404 where the address itself names it)."""
        thing = self._things.get(kind, {}).get(object_id)
        if thing is None:
            raise missing(_WORDS.get(kind, kind), object_id, param=param, status=404 if param == "id" else 400)
        return thing

    def all(self, kind: str, **fields: Any) -> Iterator[Thing]:
        """Things of a kind whose fields are these, oldest first."""
        for thing in list(self._things.get(kind, {}).values()):
            if all(thing.get(name) == value for name, value in fields.items()):
                yield thing

    def kinds(self) -> set[str]:
        """Of what kinds there is anything."""
        return {kind for kind, things in self._things.items() if things}

    def behind_of(self, object_id: str) -> Thing:
        return self.behind.setdefault(object_id, {})

    def save(self) -> None:
        """Write everything down, whole or not at all; without a file there is nothing to do."""
        if self._path is None:
            return
        content = {
            "things": {kind: list(things.values()) for kind, things in self._things.items()},
            "behind": self.behind,
            "answers": self.answers,
            "deliveries": self.deliveries,
            "settings": self.settings,
        }
        half = self._path.with_name(self._path.name + ".new")
        half.unlink(missing_ok=True)
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        half.replace(self._path)

    def _read(self, path: Path) -> None:
        content = json.loads(path.read_text())
        for things in content["things"].values():
            for thing in things:
                self.add(thing)
        self.behind, self.answers = content["behind"], content["answers"]
        self.deliveries, self.settings = content["deliveries"], content["settings"]
