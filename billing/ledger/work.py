"""Credits for a piece of work: set aside when it begins, paid or given back once when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import ngettext

from accounts.models import User
from billing import notices
from billing.allowance import ways_to_credits
from billing.book import Bucket, Kind, LedgerError, Legs, Line, Parts, all_done, fit, is_done, write, write_all
from billing.ledger.purse import account_of, expire_due, give_back, lock, locked, settle_debt, take
from billing.models import CreditAccount, CreditHold, HoldSlice
from config.kit.errors import Refusal


class InsufficientCredits(Refusal):
    """The price is more than there is, or something is owed."""

    status = 402

    def __init__(self, *, price: int, available: int, debt: int) -> None:
        say = ngettext(
            "This costs %(price)d credit and you have %(available)d.",
            "This costs %(price)d credits and you have %(available)d.",
            price,
        ) % {"price": price, "available": available}
        still_owed = ngettext(
            "%(debt)d credit of a refunded purchase is still owed.",
            "%(debt)d credits of a refunded purchase are still owed.",
            debt,
        )
        owed = still_owed % {"debt": debt} if debt else ""
        super().__init__(
            " ".join(part for part in (say, owed) if part),
            code="insufficient_credits",
            ways_up=ways_to_credits(price - available + debt),
        )
        self.price = price
        self.available = available


@dataclass(frozen=True)
class Wanted:
    """One of several holds that are made together."""

    amount: int
    key: str
    job: UUID | None = None


def hold(*, user: User, amount: int, key: str, say: str, job: UUID | None = None, tool: str = "") -> CreditHold:
    """Set credits aside for a piece of work, those that expire first before others. `tool` is what works."""
    return hold_all(user=user, wanted=[Wanted(amount, key, job)], say=say, tool=tool)[0]


@transaction.atomic
def hold_all(*, user: User, wanted: Sequence[Wanted], say: str, tool: str = "") -> list[CreditHold]:
    """The same for several pieces of work, all or none, in the order in which they are named.

    Nothing can be held as long as something is owed.
    """
    if any(one.amount < 0 for one in wanted):
        raise LedgerError(f"holds of {[one.amount for one in wanted]}")
    account = lock(user)
    bodies = {one.key: {"amount": one.amount, "job": one.job} for one in wanted}
    done = all_done(account, Kind.HOLD, bodies)
    fresh = [one for one in wanted if one.key not in done]
    if fresh:
        expire_due(account, timezone.now())
        price = sum(one.amount for one in fresh)
        if refusal := _shortfall(account, price):
            raise refusal
        _hold(account, fresh, say, tool)
    held = {one.key: one for one in CreditHold.objects.filter(key__in=bodies)}
    return [held[one.key] for one in wanted]


def shortfall(*, user: User, price: int) -> InsufficientCredits | None:
    """How a hold of this price would be refused just now: for pages that say so before the press."""
    return _shortfall(account_of(user), price)


def _shortfall(account: CreditAccount, price: int) -> InsufficientCredits | None:
    if not settings.BILLING or not (account.debt or price > account.available):
        return None
    return InsufficientCredits(price=price, available=account.available, debt=account.debt)


def _hold(account: CreditAccount, wanted: Sequence[Wanted], say: str, tool: str) -> None:
    holds = CreditHold.objects.bulk_create(
        CreditHold(account=account, key=one.key, amount=one.amount, job=one.job, tool=tool, say=fit(say))
        for one in wanted
    )
    parts = take(account, sum(one.amount for one in wanted))
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
def capture(*, hold: CreditHold, amount: int, say: str, parts: Parts = ()) -> CreditHold:
    """Pay `amount` of the hold for what was delivered and give the rest back. The same call again changes nothing.

    `parts` are what the line unfolds into: what was delivered, piece by piece, with its credits.
    """
    return _resolve(hold, captured=amount, say=say, parts=parts)


@transaction.atomic
def release(*, hold: CreditHold, say: str) -> CreditHold:
    """Give everything back: nothing was delivered."""
    return _resolve(hold, captured=0, say=say)


def _resolve(stale: CreditHold, *, captured: int, say: str, parts: Parts = ()) -> CreditHold:
    account = locked(stale.account_id)
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
        give_back(legs, slice_.amount - paid, from_=Bucket.HELD, grant_id=slice_.grant_id)
    settle_debt(account, legs)
    hold.captured, hold.released, hold.resolved_at = captured, hold.amount - captured, timezone.now()
    hold.save(update_fields=["captured", "released", "resolved_at"])
    write(account, key, kind, {"captured": captured}, legs, say=say, hold=hold, parts=parts)
    if captured:
        _tell_when_low(account)
    return hold


def _tell_when_low(account: CreditAccount) -> None:
    """Once for each time that credits came in. At home nothing runs out."""
    newest = account.grants.order_by("-pk").first() if settings.BILLING and account.available < notices.LOW else None
    if newest is not None:
        notices.credits_low(user=account.user, available=account.available, last_grant=newest.pk)
