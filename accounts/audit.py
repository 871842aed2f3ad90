"""The trail of who did what. An action writes its line in its own transaction: both stand or fall together."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.models import AuditEntry, User


def record(
    *,
    actor: User | None,
    verb: str,
    target_kind: str = "",
    target: UUID | None = None,
    detail: dict[str, Any] | None = None,
) -> AuditEntry:
    """Note a deed. `actor` is None for what the house does by itself or somebody does from its terminal."""
    return AuditEntry.objects.create(
        actor=actor, verb=verb, target_kind=target_kind, target=target, detail=detail or {}
    )
