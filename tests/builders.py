"""Rows that tests need, each made by the action that makes it in life where there is one. Add your own; change no other's."""

from __future__ import annotations

from itertools import count
from typing import Any

from accounts.models import User

_numbers = count(1)


def make_user(email: str = "", *, password: str | None = None, **fields: Any) -> User:
    """A person. `state` other than active implies that they cannot sign in."""
    fields.setdefault("is_active", fields.get("state", User.State.ACTIVE) == User.State.ACTIVE)
    return User.objects.create_user(email or f"artist{next(_numbers)}@example.com", password, **fields)
