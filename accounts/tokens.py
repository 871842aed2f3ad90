"""Tokens for programs: 256 random bits, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from accounts import audit
from accounts.models import ApiToken, Scope, User
from config.kit.errors import Refusal
from config.kit.text import one_line

PREFIX = "ac_"  # so that a leaked token is recognised for what it is
SHOWN = 8  # characters of it kept in the clear, to tell tokens apart; 226 bits stay secret
MAX_NAME = 60
MAX_TOKENS = 50  # a person who needs more has a program that leaks them
SEEN_EVERY = timedelta(minutes=1)  # a busy program must not write a row at each call


def digest(plain: str) -> str:
    """SHA-256 is enough, and salt needless, for a secret of 256 random bits."""
    return hashlib.sha256(plain.encode()).hexdigest()


def create_token(*, user: User, name: str, scopes: Collection[str] = tuple(Scope.values)) -> tuple[ApiToken, str]:
    """A new token and its text, which nobody can read again. `scopes` is what it may do; by itself everything."""
    name = one_line(name, field="name", name="The name", most=MAX_NAME)
    if not name:
        raise Refusal("Give the token a name, so that you know it again.", code="token_name", field="name")
    kept = [scope for scope in Scope.values if scope in scopes]
    if not kept or len(kept) < len(set(scopes)):
        raise Refusal(f"A token may do one or more of: {', '.join(Scope.values)}.", code="token_scopes", field="scopes")
    if user.tokens.filter(revoked_at=None).count() >= MAX_TOKENS:
        raise Refusal(f"You have {MAX_TOKENS} tokens. Revoke one that is not used any more.", code="token_limit")
    plain = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(user=user, name=name, prefix=plain[:SHOWN], hash=digest(plain), scopes=kept)
    audit.record(actor=user, verb="token.create", target_kind="token", target=token.public_id, detail={"scopes": kept})
    return token, plain


def revoke_token(*, token: ApiToken, actor: User) -> None:
    """From now on the token opens nothing. Revoking it again changes nothing."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        audit.record(actor=actor, verb="token.revoke", target_kind="token", target=token.public_id)


def token_of(plain: str) -> ApiToken | None:
    """The token of that text with its person, or none: unknown, revoked, or an account that may not sign in."""
    if not plain.startswith(PREFIX):
        return None
    token = ApiToken.objects.select_related("user").filter(hash=digest(plain), revoked_at=None).first()
    if token is None or not token.user.is_active or token.user.state != User.State.ACTIVE:
        return None
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - SEEN_EVERY)
    if token.last_used_at is None or token.last_used_at < now - SEEN_EVERY:
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
    return token
