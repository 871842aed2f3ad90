"""Tokens: shown once, kept as a hash, refused as soon as they or their person are."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import ApiToken, AuditEntry, User
from accounts.tokens import MAX_TOKENS, create_token, revoke_token, token_of
from config.kit.errors import Refusal
from tests.builders import make_user

pytestmark = pytest.mark.django_db


def test_a_token_has_256_bits_and_only_its_hash_is_kept() -> None:
    token, plain = create_token(user=make_user(), name="Batch script")
    assert plain.startswith("ac_")
    assert len(plain) == 3 + 43  # 32 bytes in base64
    kept = str(ApiToken.objects.values().get())
    assert plain not in kept
    assert token.prefix == plain[:8]


def test_its_text_finds_it_again() -> None:
    token, plain = create_token(user=make_user(), name="x")
    assert token_of(plain) == token


@pytest.mark.parametrize("plain", ["", "ac_", "ac_wrong", "Basic", "ac_" + "x" * 5000, "ac_\x00"])
def test_a_token_that_nobody_made_opens_nothing(plain: str) -> None:
    create_token(user=make_user(), name="x")
    assert token_of(plain) is None


def test_a_revoked_token_opens_nothing_and_the_trail_says_who_revoked_it() -> None:
    user = make_user()
    token, plain = create_token(user=user, name="x")
    revoke_token(token=token, actor=user)
    revoke_token(token=token, actor=user)
    assert token_of(plain) is None
    assert AuditEntry.objects.filter(verb="token.revoke", actor=user, target=token.public_id).count() == 1


@pytest.mark.parametrize("fields", [{"state": "banned"}, {"state": "closed"}, {"is_active": False}])
def test_a_token_of_an_account_that_may_not_sign_in_opens_nothing(fields: dict[str, object]) -> None:
    assert token_of(create_token(user=make_user(**fields), name="x")[1]) is None


def test_its_last_use_is_noted_once_a_minute_at_most() -> None:
    token, plain = create_token(user=make_user(), name="x")
    token_of(plain)
    first = ApiToken.objects.get().last_used_at
    token_of(plain)
    assert ApiToken.objects.get().last_used_at == first
    earlier = timezone.now() - timedelta(minutes=2)
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=earlier)
    token_of(plain)
    seen = ApiToken.objects.get().last_used_at
    assert seen is not None
    assert seen > earlier


@pytest.mark.parametrize("name", ["", "  ", "x" * 61])
def test_a_token_needs_a_name_that_fits(name: str) -> None:
    with pytest.raises(Refusal) as refusal:
        create_token(user=make_user(), name=name)
    assert refusal.value.field == "name"


def test_a_person_has_fifty_tokens_at_most() -> None:
    user = make_user()
    ApiToken.objects.bulk_create(ApiToken(user=user, name="x", hash=str(n), prefix="ac_") for n in range(MAX_TOKENS))
    with pytest.raises(Refusal, match="50 tokens"):
        create_token(user=user, name="one more")


def test_the_database_refuses_a_banned_person_who_could_sign_in() -> None:
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("x@example.com", state=User.State.BANNED, is_active=True)
