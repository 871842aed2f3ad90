"""Any sequence of verbs, crashes between them included, against a model of a few plain numbers."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from billing import ledger
from billing.audit import audit_all
from billing.ledger import InsufficientCredits, KeyReused
from billing.models import CreditAccount, CreditHold
from billing.queries import spent
from tests.builders import make_user

AMOUNTS = st.integers(1, 30)


class Crash(Exception):
    """The process dies after the verb and before the commit."""


class Purse(RuleBasedStateMachine):
    """`available`, `held`, `spent` and `debt` as they should be, beside the ledger's own."""

    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.artist = make_user()
        self.number = 0
        self.available = self.held = self.spent = self.debt = 0
        self.open: dict[str, int] = {}
        self.paid: dict[str, int] = {}
        self.refunded: set[str] = set()

    def key(self, name: str) -> str:
        self.number += 1
        return f"{self.artist.pk}:{name}:{self.number}"

    def receive(self, amount: int) -> None:
        """Whatever comes in pays the debt first."""
        paid = min(self.debt, amount)
        self.debt -= paid
        self.available += amount - paid

    @rule(amount=AMOUNTS, days=st.none() | st.integers(1, 3), crashes=st.booleans())
    def grant(self, amount: int, days: int | None, crashes: bool) -> None:
        expires_at = None if days is None else timezone.now() + timedelta(days=days)
        arguments = {"amount": amount, "source_ref": self.key("grant"), "expires_at": expires_at}
        self.perform(lambda: ledger.grant(user=self.artist, say="", **arguments), crashes)
        if not crashes:
            self.receive(amount)

    @rule(target=holds, amount=st.integers(0, 30), crashes=st.booleans())
    def hold(self, amount: int, crashes: bool) -> Any:
        key = self.key("job")
        if amount > self.available:
            with pytest.raises(InsufficientCredits):
                ledger.hold(user=self.artist, amount=amount, key=key, say="")
            return multiple()
        self.perform(lambda: ledger.hold(user=self.artist, amount=amount, key=key, say=""), crashes)
        if crashes:
            return multiple()
        self.available -= amount
        self.held += amount
        self.open[key] = amount
        return key

    @rule(key=holds, share=st.floats(0, 1), crashes=st.booleans())
    def resolve(self, key: str, share: float, crashes: bool) -> None:
        held = CreditHold.objects.get(key=key)
        amount = round(held.amount * share)
        if key in self.paid:
            if amount != self.paid[key]:
                with pytest.raises(KeyReused):
                    ledger.capture(hold=held, amount=amount, say="")
            else:
                ledger.capture(hold=held, amount=amount, say="")  # doubled: harmless
            return
        self.perform(lambda: ledger.capture(hold=held, amount=amount, say=""), crashes)
        if not crashes:
            self.held -= self.open.pop(key)
            self.paid[key] = amount
            self.spent += amount
            self.receive(held.amount - amount)

    @rule(key=holds)
    def refund_everything(self, key: str) -> None:
        if not self.paid.get(key):
            return
        held = CreditHold.objects.get(key=key)
        ledger.refund(hold=held, amount=held.captured, key=f"refund:{key}", say="")
        if key not in self.refunded:  # the second call changes nothing
            self.refunded.add(key)
            self.spent -= held.captured
            self.receive(held.captured)

    @rule(amount=AMOUNTS | AMOUNTS.map(lambda amount: -amount), crashes=st.booleans())
    def adjust(self, amount: int, crashes: bool) -> None:
        key = self.key("adjust")
        self.perform(lambda: ledger.adjust(user=self.artist, amount=amount, key=key, say="", actor=None), crashes)
        if crashes:
            return
        if amount > 0:
            self.receive(amount)
        else:
            taken = min(self.available, -amount)
            self.available -= taken
            self.debt += -amount - taken

    def perform(self, act: Any, crashes: bool) -> None:
        if not crashes:
            act()
            return
        with contextlib.suppress(Crash), transaction.atomic():
            act()
            raise Crash

    @invariant()
    def the_purse_is_what_the_model_says(self) -> None:
        account = CreditAccount.objects.filter(user=self.artist).first()
        if account is not None:
            found = (account.available, account.held, spent(self.artist), account.debt)
            assert found == (self.available, self.held, self.spent, self.debt)

    def teardown(self) -> None:
        assert audit_all(mend=False) == []


def _run(examples: int, steps: int) -> None:
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    with override_settings(BILLING=True):
        run_state_machine_as_test(Purse, settings=limits)


@pytest.mark.django_db
def test_any_sequence_of_verbs_leaves_the_purse_as_the_model_has_it() -> None:
    _run(examples=15, steps=25)


@pytest.mark.long
@pytest.mark.django_db
def test_a_long_run_of_any_sequences_leaves_the_purse_as_the_model_has_it() -> None:
    _run(examples=100, steps=50)
