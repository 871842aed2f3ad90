"""Any sequence of verbs, with crashes between any two statements of each, against a model of a few plain numbers."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Count
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from billing import holds, ledger
from billing.audit import audit_all
from billing.ledger import InsufficientCredits, KeyReused, LedgerError
from billing.models import CreditAccount, CreditGrant, CreditHold, CreditTransaction
from billing.queries import spent
from tests.builders import make_user

AMOUNTS = st.integers(1, 30)
# How a verb is called: None calls it once; a number lets it die before that statement first, and calls it again.
CRASHES = st.none() | st.integers(1, 20)
DOUBLED = st.sampled_from([False, False, True])
DAY = timedelta(days=1)


class Crash(Exception):
    """The process dies."""


class Fuse:
    """Lets a transaction die before its n-th statement."""

    def __init__(self, before: int) -> None:
        self.left = before

    def __call__(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        self.left -= "SAVEPOINT" not in sql
        if self.left == 0:
            raise Crash
        return execute(sql, *rest)


class Purse(RuleBasedStateMachine):
    """`available`, `held`, `spent` and `debt` as they should be, beside the ledger's own.

    The model knows each grant's remains as well, since what expires first is spent first.
    """

    holds = Bundle("holds")
    sources = Bundle("sources")

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.artist = make_user()
        ledger.account_of(self.artist)
        self.number = 0
        self.now = timezone.now() + DAY  # the model's clock; what expires does so a whole day or more from now
        self.written = (0, 0)
        self.held = self.spent = self.debt = 0
        self.grants: dict[str, Grant] = {}
        self.open: dict[str, list[tuple[str, int]]] = {}
        self.paid: dict[str, list[tuple[str, int]]] = {}
        self.jobs: dict[str, uuid.UUID] = {}

    @property
    def available(self) -> int:
        return sum(grant.left for grant in self.grants.values())

    # --- rules ------------------------------------------------------------------------------------------------

    @rule(target=sources, amount=AMOUNTS, days=st.none() | st.integers(2, 6), crash=CRASHES, doubled=DOUBLED)
    def grant(self, amount: int, days: int | None, crash: int | None, doubled: bool) -> str:
        ref, expires_at = self.key("grant"), self.later(days)
        self.perform(
            lambda: ledger.grant(user=self.artist, amount=amount, source_ref=ref, say="", expires_at=expires_at),
            crash,
            doubled,
        )
        self.grants[ref] = Grant(amount, expires_at, len(self.grants))
        self.receive(ref, amount)
        return ref

    @rule(target=sources, amount=AMOUNTS, rollover=st.integers(0, 30), crash=CRASHES, doubled=DOUBLED)
    def renew(self, amount: int, rollover: int, crash: int | None, doubled: bool) -> str:
        ref, expires_at = self.key("invoice"), self.later(4)
        self.perform(
            lambda: ledger.renew(
                user=self.artist, amount=amount, source_ref=ref, say="", expires_at=expires_at, rollover=rollover
            ),
            crash,
            doubled,
        )
        earlier = [grant for grant in self.soonest_first() if grant.monthly]
        too_many = sum(grant.left for grant in earlier) - rollover
        for grant in earlier:
            part = max(0, min(grant.left, too_many))
            grant.left -= part
            grant.expired += part
            too_many -= part
        self.grants[ref] = Grant(amount, expires_at, len(self.grants), monthly=True)
        self.receive(ref, amount)
        return ref

    @rule(target=holds, amount=st.integers(0, 30), crash=CRASHES, doubled=DOUBLED)
    def hold(self, amount: int, crash: int | None, doubled: bool) -> Any:
        key, job = self.key("job"), uuid.uuid4()

        def act() -> None:
            ledger.hold(user=self.artist, amount=amount, key=key, say="", job=job)

        if amount > self.available or self.debt:
            with pytest.raises(InsufficientCredits):
                act()
            return multiple()
        self.perform(act, crash, doubled)
        self.held += amount
        self.open[key], self.jobs[key] = self.take(amount), job
        return key

    @rule(key=holds, share=st.floats(0, 1), crash=CRASHES, doubled=DOUBLED)
    def resolve(self, key: str, share: float, crash: int | None, doubled: bool) -> None:
        held = CreditHold.objects.get(key=key)
        amount = round(held.amount * share)
        if key not in self.open:
            captured = held.captured
            if amount != captured:
                with pytest.raises(KeyReused):
                    ledger.capture(hold=held, amount=amount, say="")
            else:
                ledger.capture(hold=held, amount=amount, say="")  # doubled: harmless
            return
        self.perform(lambda: ledger.capture(hold=held, amount=amount, say=""), crash, doubled)
        self.end(key, amount)

    @rule(key=holds, part=st.integers(1, 30), crash=CRASHES, doubled=DOUBLED)
    def refund(self, key: str, part: int, crash: int | None, doubled: bool) -> None:
        paid = self.paid.get(key, [])
        held, refund = CreditHold.objects.get(key=key), self.key("refund")
        if part > sum(amount for _, amount in paid):
            with pytest.raises(LedgerError):
                ledger.refund(hold=held, amount=part, key=refund, say="")
            return
        self.perform(lambda: ledger.refund(hold=held, amount=part, key=refund, say=""), crash, doubled)
        self.spent -= part
        backwards = sorted(paid, key=lambda one: -self.grants[one[0]].place)
        self.paid[key] = list(backwards)
        back = self.first(self.paid[key], part)
        for ref, amount in back:
            self.grants[ref].left += amount
        self.pay_debt([ref for ref, _ in back])

    @rule(amount=AMOUNTS | AMOUNTS.map(lambda amount: -amount), crash=CRASHES, doubled=DOUBLED)
    def adjust(self, amount: int, crash: int | None, doubled: bool) -> None:
        key = self.key("adjust")
        self.perform(
            lambda: ledger.adjust(user=self.artist, amount=amount, key=key, say="", actor=None), crash, doubled
        )
        if amount > 0:
            self.grants[f"adjust:{key}"] = Grant(amount, None, len(self.grants))
            self.receive(f"adjust:{key}", amount)
        else:
            self.debt += -amount - sum(part for _, part in self.take(-amount))

    @rule(ref=sources, amount=st.none() | AMOUNTS, crash=CRASHES, doubled=DOUBLED)
    def revoke(self, ref: str, amount: int | None, crash: int | None, doubled: bool) -> None:
        key, grant, owed = self.key("back"), self.grants[ref], []
        self.perform(lambda: owed.append(ledger.revoke(source_ref=ref, amount=amount, key=key, say="")), crash, doubled)
        most = max(0, grant.amount - grant.revoked - grant.expired)
        wanted = most if amount is None else min(amount, most)
        missing = wanted - sum(part for _, part in self.take(wanted, first=grant))
        self.debt += missing
        grant.revoked += wanted
        assert set(owed) == {missing}

    @rule(target=sources, ref=sources, amount=AMOUNTS, crash=CRASHES, doubled=DOUBLED)
    def reinstate(self, ref: str, amount: int, crash: int | None, doubled: bool) -> Any:
        key, grant = self.key("won"), self.grants[ref]
        if amount > grant.revoked:
            with pytest.raises(LedgerError):
                ledger.reinstate(source_ref=ref, amount=amount, key=key, say="")
            return multiple()
        self.perform(lambda: ledger.reinstate(source_ref=ref, amount=amount, key=key, say=""), crash, doubled)
        grant.revoked -= amount
        back = f"reinstate:{key}"
        expires_at = CreditGrant.objects.get(source_ref=back).expires_at
        assert (expires_at is None) == (grant.expires_at is None)
        self.grants[back] = Grant(amount, expires_at, len(self.grants), monthly=grant.monthly)
        self.receive(back, amount)
        return back

    @rule(days=st.integers(0, 2), crash=CRASHES, doubled=DOUBLED)
    def time_passes(self, days: int, crash: int | None, doubled: bool) -> None:
        """The sweep of a later day. Between two of them nothing falls due, as far as the other verbs can see."""
        self.now += days * DAY
        self.perform(lambda: ledger.expire(now=self.now), crash, doubled)
        for grant in self.grants.values():
            if grant.expires_at is not None and grant.expires_at <= self.now:
                grant.expired += grant.left
                grant.left = 0

    @rule(living=st.booleans(), crash=CRASHES, doubled=DOUBLED)
    def holds_time_out(self, living: bool, crash: int | None, doubled: bool) -> None:
        """`living`: the newest of those that are open still has its job."""
        spared = list(self.open)[-1:] if living else []
        alive = {self.jobs[key] for key in spared}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(holds, "_askers", [lambda jobs: jobs & alive])
            self.perform(lambda: ledger.time_out_holds(before=timezone.now()), crash, doubled)
        for key in [key for key in self.open if key not in spared]:
            self.end(key, 0)

    # --- how --------------------------------------------------------------------------------------------------

    def key(self, name: str) -> str:
        self.number += 1
        return f"{self.artist.pk}:{name}:{self.number}"

    def later(self, days: int | None) -> datetime | None:
        return None if days is None else self.now + days * DAY

    def perform(self, act: Callable[[], object], crash: int | None, doubled: bool) -> None:
        """Let it die first, if it shall: then nothing has happened. Once it is through, twice adds nothing."""
        if crash is not None:
            with pytest.raises(Crash):
                self.die(act, crash)
            assert self.lines() == self.written, "something stayed behind"
        act()
        self.written = self.lines()
        if doubled:
            act()
            assert self.lines() == self.written, "it happened twice"

    def die(self, act: Callable[[], object], before: int) -> None:
        with transaction.atomic():
            with connection.execute_wrapper(Fuse(before)):
                act()
            raise Crash  # it had fewer statements: dead before its commit

    def lines(self) -> tuple[int, int]:
        """How many were written, and how many legs they have."""
        found = CreditTransaction.objects.aggregate(lines=Count("pk", distinct=True), legs=Count("entries"))
        return found["lines"], found["legs"]

    def soonest_first(self) -> list[Grant]:
        return sorted((grant for grant in self.grants.values() if grant.left), key=Grant.turn)

    def take(self, amount: int, *, first: Grant | None = None) -> list[tuple[str, int]]:
        refs = {id(grant): ref for ref, grant in self.grants.items()}
        parts = []
        for grant in sorted(self.soonest_first(), key=lambda one: one is not first):
            part = min(amount, grant.left)
            if part:
                grant.left -= part
                amount -= part
                parts.append((refs[id(grant)], part))
        return parts

    def first(self, parts: list[tuple[str, int]], amount: int) -> list[tuple[str, int]]:
        """Take the first `amount` off the parts."""
        taken = []
        while amount:
            ref, most = parts.pop(0)
            part = min(amount, most)
            if part < most:
                parts.insert(0, (ref, most - part))
            taken.append((ref, part))
            amount -= part
        return taken

    def receive(self, ref: str, amount: int) -> None:
        self.grants[ref].left += amount
        self.pay_debt([ref])

    def pay_debt(self, refs: list[str]) -> None:
        """Whatever comes in pays the debt first."""
        for ref in refs:
            part = min(self.debt, self.grants[ref].left)
            self.debt -= part
            self.grants[ref].left -= part

    def end(self, key: str, captured: int) -> None:
        parts = self.open.pop(key)
        self.held -= sum(part for _, part in parts)
        self.paid[key] = self.first(parts, captured)
        self.spent += captured
        for ref, part in parts:
            self.grants[ref].left += part
        self.pay_debt([ref for ref, _ in parts])

    @invariant()
    def the_purse_is_what_the_model_says(self) -> None:
        account = CreditAccount.objects.get(user=self.artist)
        assert (account.available, account.held, account.debt) == (self.available, self.held, self.debt)
        assert account.debt == 0 or account.available == 0

    def teardown(self) -> None:
        try:
            self.everything_adds_up()
        finally:
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)

    def everything_adds_up(self) -> None:
        assert spent(self.artist) == self.spent
        found = dict(CreditGrant.objects.filter(account__user=self.artist).values_list("source_ref", "remaining"))
        assert found == {ref: grant.left for ref, grant in self.grants.items()}
        assert audit_all(mend=False) == []
        connection.check_constraints()  # what a commit does by itself


class Grant:
    """A grant as the model has it."""

    def __init__(self, amount: int, expires_at: datetime | None, place: int, *, monthly: bool = False) -> None:
        self.amount, self.expires_at, self.place, self.monthly = amount, expires_at, place, monthly
        self.left = self.expired = self.revoked = 0

    def turn(self) -> tuple[bool, datetime, int]:
        """What expires first is spent first, what never does last."""
        return (
            self.expires_at is None,
            self.expires_at or datetime.max.replace(tzinfo=timezone.now().tzinfo),
            self.place,
        )


def _run(examples: int, steps: int) -> None:
    limits = settings(
        # fewer while the machine itself is worked on
        max_examples=int(os.environ.get("LEDGER_EXAMPLES", examples)),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    with override_settings(BILLING=True):
        run_state_machine_as_test(Purse, settings=limits)


@pytest.mark.django_db
def test_any_sequence_of_verbs_leaves_the_purse_as_the_model_has_it() -> None:
    _run(examples=100, steps=30)


@pytest.mark.long
@pytest.mark.django_db
def test_a_long_run_of_any_sequences_leaves_the_purse_as_the_model_has_it() -> None:
    _run(examples=1000, steps=50)
