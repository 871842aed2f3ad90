"""What the ledger keeps of a closed account: every figure, and no word."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django.fixtures import Settings

from accounts import closing
from billing import ledger, own_data
from billing.models import CreditTransaction, Entitlement, Purchase
from tests.builders import make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "change",
    [
        "say = 'other words'",
        "say = '', amount = amount + 1",
        "say = '', balance = 0",
        "say = '', kind = 'adjust'",
        "say = '', at = now() + interval '1 day'",
        "key = ''",
    ],
)
def test_the_database_lets_words_go_and_nothing_else(change: str) -> None:
    ledger.grant(user=make_user(), amount=5, source_ref="welcome", say="Welcome")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"update billing_credittransaction set {change}")
    assert CreditTransaction.objects.get().say == "Welcome"


def test_words_go_figures_stay_and_a_second_time_nothing_is_left_to_erase() -> None:
    user = make_user()
    ledger.grant(user=user, amount=5, source_ref="welcome", say="Welcome, Ines")
    held = ledger.hold(user=user, amount=2, key="job:1:hold", say="A picture: Ines at sea", tool="text_to_image")
    ledger.capture(hold=held, amount=2, say="A picture: Ines at sea")
    Entitlement.objects.update_or_create(user=user, defaults={"plan": "pro"})
    Purchase.objects.create(user=user, kind="pack", lookup_key="pack_50", session_url="https://x.example/ines")
    before = list(CreditTransaction.objects.order_by("pk").values("key", "amount", "balance", "kind"))

    assert own_data.erase(user)["words in lines of the ledger"] == 3
    assert own_data.erase(user)["words in lines of the ledger"] == 0

    assert list(CreditTransaction.objects.order_by("pk").values("key", "amount", "balance", "kind")) == before
    assert set(CreditTransaction.objects.values_list("say", flat=True)) == {""}
    assert not Entitlement.objects.filter(user=user).exists()
    assert Purchase.objects.get().session_url == ""


def test_stopping_without_stripe_stops_nothing_and_is_no_mistake() -> None:
    user = make_user()
    assert closing.ask(user=user, typed="close").error == ""


def test_what_is_lost_is_told_where_credits_count(settings: Settings) -> None:
    user = make_user()
    ledger.grant(user=user, amount=5, source_ref="welcome", say="Welcome")
    assert own_data.goes(user) == ""
    settings.BILLING = True
    assert own_data.goes(user) == "5 credits that are not spent."
