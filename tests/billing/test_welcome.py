"""Free credits: once a mailbox, whatever its address is written like and however many accounts it has had."""

from __future__ import annotations

import pytest

from accounts.models import User
from billing.models import CreditAccount, Welcomed
from billing.plans import FREE_CREDITS
from billing.welcome import give_free_credits
from tests.builders import make_user

pytestmark = pytest.mark.django_db


def welcomed(email: str) -> int:
    """What an account of this address begins with."""
    user = make_user(email)
    give_free_credits(user)
    account = CreditAccount.objects.filter(user=user).first()
    return account.available if account else 0


def test_a_proven_address_brings_the_free_credits_once() -> None:
    user = make_user("ines@example.com")
    for _ in range(3):
        give_free_credits(user)
    assert CreditAccount.objects.get(user=user).available == FREE_CREDITS


def test_whoever_closes_an_account_and_comes_again_has_had_them() -> None:
    assert welcomed("ines@example.com") == FREE_CREDITS
    User.objects.filter(email="ines@example.com").update(email="closed-1@invalid")
    assert welcomed("ines@example.com") == 0


@pytest.mark.parametrize("other", ["ines+two@example.com", "INES+3@example.com"])
def test_a_tag_behind_the_name_is_the_same_mailbox(other: str) -> None:
    assert welcomed("ines@example.com") == FREE_CREDITS
    assert welcomed(other) == 0


def test_dots_mean_nothing_where_the_mailbox_does_not_know_them_and_something_elsewhere() -> None:
    assert welcomed("ines.moreau@gmail.com") == FREE_CREDITS
    assert welcomed("inesmoreau@googlemail.com") == 0
    assert welcomed("ines.moreau@example.com") == FREE_CREDITS
    assert welcomed("inesmoreau@example.com") == FREE_CREDITS


def test_the_address_itself_is_not_kept() -> None:
    welcomed("ines@example.com")
    assert "ines" not in Welcomed.objects.get().mailbox
