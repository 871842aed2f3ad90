"""What each call of the API asks of its token: written here and nowhere else, so that no route can forget it."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Scope, User
from accounts.tokens import token_of
from config.kit.errors import Refusal

ROOT = "/api/v1/"
READS = frozenset({"GET", "HEAD", "OPTIONS"})
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

# A path below the API's root and all that is below it, the methods, and the scope. The first line that fits counts.
NEEDS: Sequence[tuple[str, frozenset[str], Scope]] = (
    ("billing", READS | CHANGES, Scope.BILLING),
    ("me", CHANGES, Scope.ACCOUNT),
    ("", READS, Scope.READ),
    ("", CHANGES, Scope.WRITE),
)

WORDS: dict[str, str | Promise] = {
    Scope.READ: _("Read: everything in the account"),
    Scope.WRITE: _("Write: styles, pictures and trainings; spends credits"),
    Scope.BILLING: _("Billing: plans, packs and payments"),
    Scope.ACCOUNT: _("Account: the profile"),
}


class MissingScope(Refusal):
    """The token is good, but not for this."""

    status = 403

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            f"This token may not do that: it lacks the scope “{scope}”. Make one with it in Settings, API tokens.",
            code="missing_scope",
        )
        self.scope = scope


def needed(method: str, path: str) -> Scope:
    """The scope for a call; `path` is below the API's root, without a leading slash."""
    for start, methods, scope in NEEDS:
        if method in methods and (not start or path == start or path.startswith(f"{start}/")):
            return scope
    return Scope.WRITE  # a method that we do not know changes something


def caller_of(request: HttpRequest, plain: str) -> User | None:
    """The person behind the token of an API call, or nobody. Raises MissingScope where the token may not do this."""
    token = token_of(plain)
    if token is None:
        return None
    scope = needed(request.method or "", request.path.removeprefix(ROOT))
    if scope not in token.scopes:
        raise MissingScope(scope)
    return token.user
