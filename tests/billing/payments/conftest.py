"""A shop at the double: our products stand there, and a person is about to buy."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import User
from billing.models import Purchase
from billing.payments import checkout
from billing.payments.tasks import sweep
from tests.builders import make_user
from tests.fakes.stripe import StripeDouble, stripe_double

__all__ = ["stripe_double"]


@pytest.fixture(autouse=True)
def _no_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hears the bell here: each test says when the sweep comes."""
    monkeypatch.setattr("billing.payments.bell._bell.ring", lambda: None)


@pytest.fixture
def shop(stripe_double: StripeDouble) -> StripeDouble:
    call_command("stripe_sync", "--apply", verbosity=0, stdout=StringIO())
    stripe_double.deliver(lose=["*"])
    return stripe_double


@pytest.fixture
def artist() -> User:
    return make_user()


@pytest.fixture
def buy(shop: StripeDouble) -> Callable[..., Purchase]:
    """Buy something to the end: Checkout, the card, the news, and their settling."""

    def buy(user: User, offer: str, **paying: Any) -> Purchase:
        visit = checkout.begin(user=user, lookup_key=offer)
        shop.pay(visit.session_url, **paying)
        shop.deliver()
        sweep()
        visit.refresh_from_db()
        return visit

    return buy
