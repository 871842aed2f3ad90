"""The one writer of credits: integers, append-only, double entry, one unique key per effect.

Every transaction moves credits between buckets and sums to zero: `house` is the counterpart outside the person's
purse, `available` and `held` are the purse, `spent` is what was paid for, `debt` is what was taken back after it had
been spent. Each verb locks the account first, so that the verbs of one person happen one after another. Callers that
hold other locks take them in the order Job → Style → CreditAccount.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import audit
from accounts.models import User
from billing.book import (
    LONGEST_SAY,
    Bucket,
    KeyReused,
    Kind,
    LedgerError,
    Legs,
    Line,
    all_done,
    fit,
    is_done,
    write,
    write_all,
)
from billing.models import CreditAccount, CreditEntry, CreditGrant, CreditHold, HoldSlice
from config.kit.errors import Refusal

__all__ = ["LONGEST_SAY", "InsufficientCredits", "KeyReused", "LedgerError"]


class InsufficientCredits(Refusal):
    """The price is more than there is."""

    status = 402

    def __init__(self, *, price: int, available: int, debt: int) -> None:
        say = ngettext(
            "This costs %(price)d credit and you have %(available)d.",
            "This costs %(price)d credits and you have %(available)d.",
            price,
        ) % {"price": price, "available": available}
        owed = _("%(debt)d of a refunded purchase are still owed.") % {"debt": debt} if debt else ""
        ways = _("Plans and packs are under Credits.")
        super().__init__(" ".join(part for part in (say, owed, ways) if part), code="insufficient_credits")
        self.price = price
        self.available = available


# --- verbs ----------------------------------------------------------------------------------------------------


def account_of(user: User) -> CreditAccount:
    """The person's purse, made when first asked for."""
    account, _ = CreditAccount.objects.get_or_create(user=user)
    return account


@transaction.atomic
def grant(*, user: User, amount: int, source_ref: str, say: str, expires_at: datetime | None = None) -> CreditGrant:
    """Bring credits in. `source_ref` names where they come from (an invoice, a welcome) and brings them in once."""
    if amount <= 0:
        raise LedgerError(f"a grant of {amount}")
    account = _lock(user)
    key, body = f"grant:{source_ref}", {"amount": amount, "expires_at": expires_at}
    if is_done(account, key, Kind.GRANT, body):
        return CreditGrant.objects.get(source_ref=source_ref)
    return _bring_in(
        account, key, Kind.GRANT, body, source_ref=source_ref, say=say, amount=amount, expires_at=expires_at
    )


@dataclass(frozen=True)
class Wanted:
    """One of several holds that are made together."""

    amount: int
    key: str
    job: UUID | None = None


def hold(*, user: User, amount: int, key: str, say: str, job: UUID | None = None) -> CreditHold:
    """Set credits aside for a piece of work, those that expire first before others."""
    return hold_all(user=user, wanted=[Wanted(amount, key, job)], say=say)[0]


@transaction.atomic
def hold_all(*, user: User, wanted: Sequence[Wanted], say: str) -> list[CreditHold]:
    """The same for several pieces of work, all or none, in the order in which they are named."""
    if any(one.amount < 0 for one in wanted):
        raise LedgerError(f"holds of {[one.amount for one in wanted]}")
    account = _lock(user)
    bodies = {one.key: {"amount": one.amount, "job": one.job} for one in wanted}
    done = all_done(account, Kind.HOLD, bodies)
    fresh = [one for one in wanted if one.key not in done]
    if fresh:
        _expire(account, timezone.now())
        price = sum(one.amount for one in fresh)
        if price > account.available and settings.BILLING:
            raise InsufficientCredits(price=price, available=account.available, debt=account.debt)
        _hold(account, fresh, say)
    held = {one.key: one for one in CreditHold.objects.filter(key__in=bodies)}
    return [held[one.key] for one in wanted]


def _hold(account: CreditAccount, wanted: Sequence[Wanted], say: str) -> None:
    holds = CreditHold.objects.bulk_create(
        CreditHold(account=account, key=one.key, amount=one.amount, job=one.job, say=fit(say)) for one in wanted
    )
    parts = _take(account, sum(one.amount for one in wanted))
    slices, lines = [], []
    for held in holds:
        legs = Legs()
        for grant_id, part in _first(parts, held.amount):
            slices.append(HoldSlice(hold=held, grant_id=grant_id, amount=part))
            # without a grant it is lent: it comes from the house and goes back there, never into the purse
            legs.move(part, from_=Bucket.AVAILABLE if grant_id else Bucket.HOUSE, to=Bucket.HELD, grant=grant_id)
        lines.append(Line(held.key, Kind.HOLD, {"amount": held.amount, "job": held.job}, legs, say, held))
    HoldSlice.objects.bulk_create(slices)
    write_all(account, lines)


def _first(parts: list[tuple[int | None, int]], amount: int) -> list[tuple[int | None, int]]:
    """Take the first `amount` off the parts."""
    taken = []
    while amount:
        grant_id, most = parts.pop(0)
        part = min(amount, most)
        if part < most:
            parts.insert(0, (grant_id, most - part))
        taken.append((grant_id, part))
        amount -= part
    return taken


@transaction.atomic
def capture(*, hold: CreditHold, amount: int, say: str) -> CreditHold:
    """Pay `amount` of the hold for what was delivered and give the rest back. The same call again changes nothing."""
    return _resolve(hold, captured=amount, say=say)


@transaction.atomic
def release(*, hold: CreditHold, say: str) -> CreditHold:
    """Give everything back: nothing was delivered."""
    return _resolve(hold, captured=0, say=say)


@transaction.atomic
def refund(*, hold: CreditHold, amount: int, key: str, say: str) -> None:
    """Give back what a resolved hold had paid, by reversing entries; never more than it paid."""
    account = _locked(hold.account_id)
    body = {"hold": hold.key, "amount": amount}
    if is_done(account, key, Kind.REFUND, body):
        return
    paid = dict(
        CreditEntry.objects.filter(transaction__hold=hold, bucket=Bucket.SPENT)
        .order_by("-grant")
        .values_list("grant")
        .annotate(Sum("amount"))
    )
    if not 0 < amount <= sum(paid.values()):
        raise LedgerError(f"a refund of {amount} where {sum(paid.values())} were paid")
    legs = Legs()
    for grant_id, part in _split(amount, paid.items()):
        _give_back(legs, part, from_=Bucket.SPENT, grant_id=grant_id)
    _settle_debt(account, legs)
    write(account, key, Kind.REFUND, body, legs, say=say, hold=hold)


@transaction.atomic
def adjust(*, user: User, amount: int, key: str, say: str, actor: User | None) -> None:
    """Staff put right what went wrong. What is taken away beyond the balance becomes a debt and blocks spending."""
    if amount == 0:
        raise LedgerError("an adjustment of 0")
    account = _lock(user)
    body = {"amount": amount}
    if is_done(account, key, Kind.ADJUST, body):
        return
    if amount > 0:
        _bring_in(account, key, Kind.ADJUST, body, source_ref=f"adjust:{key}", say=say, amount=amount, expires_at=None)
    else:
        legs = Legs()
        for grant_id, part in _take(account, -amount):
            legs.move(part, from_=Bucket.AVAILABLE if grant_id else Bucket.DEBT, to=Bucket.HOUSE, grant=grant_id)
        write(account, key, Kind.ADJUST, body, legs, say=say)
    audit.record(
        actor=actor,
        verb="credits.adjust",
        target_kind="user",
        target=user.public_id,
        detail={"amount": amount, "say": say, "key": key},
    )


def expire(*, now: datetime) -> int:
    """Take away what ran out, a purse at a time; answers how many purses lost something."""
    due = CreditGrant.objects.filter(remaining__gt=0, expires_at__lte=now)
    purses = list(due.order_by("account").values_list("account", flat=True).distinct())
    for account_id in purses:
        with transaction.atomic():
            _expire(_locked(account_id), now)
    return len(purses)


# --- how ------------------------------------------------------------------------------------------------------


def _lock(user: User) -> CreditAccount:
    return _locked(account_of(user).pk)


def _locked(account_id: int) -> CreditAccount:
    return CreditAccount.objects.select_for_update().get(pk=account_id)


def _resolve(stale: CreditHold, *, captured: int, say: str) -> CreditHold:
    account = _locked(stale.account_id)
    hold = CreditHold.objects.get(pk=stale.pk)
    key, kind = f"resolve:{hold.key}", Kind.CAPTURE if captured else Kind.RELEASE
    if is_done(account, key, kind, {"captured": captured}):
        return hold
    if not 0 <= captured <= hold.amount:
        raise LedgerError(f"a capture of {captured} from a hold of {hold.amount}")
    legs, unpaid = Legs(), captured
    for slice_ in hold.slices.order_by("pk"):  # in the order in which they were taken: what expires first is paid first
        paid = min(unpaid, slice_.amount)
        unpaid -= paid
        legs.move(paid, from_=Bucket.HELD, to=Bucket.SPENT, grant=slice_.grant_id)
        _give_back(legs, slice_.amount - paid, from_=Bucket.HELD, grant_id=slice_.grant_id)
    _settle_debt(account, legs)
    hold.captured, hold.released, hold.resolved_at = captured, hold.amount - captured, timezone.now()
    hold.save(update_fields=["captured", "released", "resolved_at"])
    write(account, key, kind, {"captured": captured}, legs, say=say, hold=hold)
    return hold


def _spendable(account: CreditAccount) -> Iterable[CreditGrant]:
    return account.grants.filter(remaining__gt=0).order_by(F("expires_at").asc(nulls_last=True), "pk")


def _take(account: CreditAccount, amount: int) -> list[tuple[int | None, int]]:
    """Use up grants, the one that expires first before others; what no grant covers comes last, under None."""
    parts: list[tuple[int | None, int]] = []
    for source in _spendable(account):
        part = min(amount, source.remaining)
        if part == 0:
            break
        CreditGrant.objects.filter(pk=source.pk).update(remaining=F("remaining") - part)
        parts.append((source.pk, part))
        amount -= part
    return [*parts, (None, amount)] if amount else parts


def _split(amount: int, sources: Iterable[tuple[int | None, int]]) -> Iterable[tuple[int | None, int]]:
    for grant_id, most in sources:
        part = min(amount, most)
        amount -= part
        if part:
            yield grant_id, part


def _give_back(legs: Legs, amount: int, *, from_: str, grant_id: int | None) -> None:
    """To the grant it came from, or to the house that lent it."""
    legs.move(amount, from_=from_, to=Bucket.AVAILABLE if grant_id else Bucket.HOUSE, grant=grant_id)
    if grant_id and amount:
        CreditGrant.objects.filter(pk=grant_id).update(remaining=F("remaining") + amount)


def _settle_debt(account: CreditAccount, legs: Legs) -> None:
    """Whatever comes back into the purse pays the debt first."""
    for grant_id in [grant_id for bucket, grant_id in legs.sums if bucket == Bucket.AVAILABLE and grant_id]:
        part = min(account.debt - legs.total(Bucket.DEBT), legs.sums[Bucket.AVAILABLE, grant_id])
        if part > 0:
            legs.move(part, from_=Bucket.AVAILABLE, to=Bucket.DEBT, grant=grant_id)
            CreditGrant.objects.filter(pk=grant_id).update(remaining=F("remaining") - part)


def _bring_in(
    account: CreditAccount,
    key: str,
    kind: str,
    body: Mapping[str, object],
    *,
    source_ref: str,
    say: str,
    amount: int,
    expires_at: datetime | None,
) -> CreditGrant:
    made = CreditGrant.objects.create(
        account=account, source_ref=source_ref, amount=amount, remaining=amount, expires_at=expires_at, say=fit(say)
    )
    legs = Legs()
    legs.move(amount, from_=Bucket.HOUSE, to=Bucket.AVAILABLE, grant=made.pk)
    _settle_debt(account, legs)
    write(account, key, kind, body, legs, say=say)
    made.refresh_from_db()
    return made


def _expire(account: CreditAccount, now: datetime) -> None:
    for over in account.grants.filter(remaining__gt=0, expires_at__lte=now).order_by("pk"):
        # credits that come back to an expired grant expire once more: the count keeps the keys apart
        times = CreditEntry.objects.filter(grant=over, transaction__kind=Kind.EXPIRE, bucket=Bucket.AVAILABLE).count()
        legs = Legs()
        legs.move(over.remaining, from_=Bucket.AVAILABLE, to=Bucket.HOUSE, grant=over.pk)
        body = {"grant": over.pk, "amount": over.remaining}
        over.remaining = 0
        over.save(update_fields=["remaining"])
        write(account, f"expire:{over.pk}:{times}", Kind.EXPIRE, body, legs, say=f"Expired: {over.say}")
