"""What the verbs share: the locked purse, and how credits go into its grants and out of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import F

from accounts.models import User
from billing.book import Bucket, Kind, Legs, fit, write
from billing.models import CreditAccount, CreditEntry, CreditGrant


def account_of(user: User) -> CreditAccount:
    """The person's purse, made when first asked for."""
    account, _ = CreditAccount.objects.get_or_create(user=user)
    return account


def lock(user: User) -> CreditAccount:
    return locked(account_of(user).pk)


def locked(account_id: int) -> CreditAccount:
    return CreditAccount.objects.select_for_update().get(pk=account_id)


def bring_in(
    account: CreditAccount,
    key: str,
    kind: str,
    body: Mapping[str, object],
    *,
    source_ref: str,
    say: str,
    amount: int,
    expires_at: datetime | None,
    monthly: bool = False,
    instead_of: CreditGrant | None = None,
) -> CreditGrant:
    """A new grant, which pays the debt first."""
    made = CreditGrant.objects.create(
        account=account,
        source_ref=source_ref,
        amount=amount,
        remaining=amount,
        expires_at=expires_at,
        monthly=monthly,
        say=fit(say),
    )
    legs = Legs()
    legs.move(amount, from_=Bucket.HOUSE, to=Bucket.AVAILABLE, grant=made.pk)
    settle_debt(account, legs)
    write(account, key, kind, body, legs, say=say, grant=instead_of)
    made.refresh_from_db()
    return made


def take(account: CreditAccount, amount: int, *, first: CreditGrant | None = None) -> list[tuple[int | None, int]]:
    """Use up grants, the one that expires first before others; what no grant covers comes last, under None.

    `first` is used up before all others.
    """
    parts: list[tuple[int | None, int]] = []
    for source in _spendable(account, first):
        part = min(amount, source.remaining)
        if part == 0:
            break
        CreditGrant.objects.filter(pk=source.pk).update(remaining=F("remaining") - part)
        parts.append((source.pk, part))
        amount -= part
    return [*parts, (None, amount)] if amount else parts


def _spendable(account: CreditAccount, first: CreditGrant | None) -> Iterable[CreditGrant]:
    grants = list(soonest_first(account))
    return sorted(grants, key=lambda one: one != first)  # stable: the others stay in their order


def soonest_first(account: CreditAccount, **which: object) -> Iterable[CreditGrant]:
    """The grants with something left, in the order in which they are spent."""
    return account.grants.filter(remaining__gt=0, **which).order_by(F("expires_at").asc(nulls_last=True), "pk")


def give_back(legs: Legs, amount: int, *, from_: str, grant_id: int | None) -> None:
    """To the grant it came from, or to the house that lent it."""
    legs.move(amount, from_=from_, to=Bucket.AVAILABLE if grant_id else Bucket.HOUSE, grant=grant_id)
    if grant_id and amount:
        CreditGrant.objects.filter(pk=grant_id).update(remaining=F("remaining") + amount)


def settle_debt(account: CreditAccount, legs: Legs) -> None:
    """Whatever comes back into the purse pays the debt first."""
    for grant_id in [grant_id for bucket, grant_id in legs.sums if bucket == Bucket.AVAILABLE and grant_id]:
        part = min(account.debt - legs.total(Bucket.DEBT), legs.sums[Bucket.AVAILABLE, grant_id])
        if part > 0:
            legs.move(part, from_=Bucket.AVAILABLE, to=Bucket.DEBT, grant=grant_id)
            CreditGrant.objects.filter(pk=grant_id).update(remaining=F("remaining") - part)


def expire_due(account: CreditAccount, now: datetime) -> None:
    """Take away what ran out, so that nobody spends it, whether or not the hourly sweep was here."""
    for over in account.grants.filter(remaining__gt=0, expires_at__lte=now).order_by("pk"):
        # credits that come back to an expired grant expire once more: the count keeps the keys apart
        times = CreditEntry.objects.filter(grant=over, transaction__kind=Kind.EXPIRE, bucket=Bucket.AVAILABLE).count()
        let_go(account, over, over.remaining, key=f"expire:{over.pk}:{times}", say=f"Expired: {over.say}")


def let_go(account: CreditAccount, over: CreditGrant, amount: int, *, key: str, say: str) -> None:
    """`amount` of what is left of this grant goes back to the house."""
    legs = Legs()
    legs.move(amount, from_=Bucket.AVAILABLE, to=Bucket.HOUSE, grant=over.pk)
    over.remaining -= amount
    over.save(update_fields=["remaining"])
    write(account, key, Kind.EXPIRE, {"grant": over.pk, "amount": amount}, legs, say=say)
