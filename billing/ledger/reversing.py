"""Money and mistakes that go back. History is never edited: each of these is a new line."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from accounts import audit
from accounts.models import User
from billing.book import Bucket, Kind, LedgerError, Legs, is_done, write
from billing.ledger.purse import bring_in, expire_due, give_back, lock, locked, settle_debt, take
from billing.models import CreditAccount, CreditEntry, CreditGrant, CreditHold, CreditTransaction


@transaction.atomic
def refund(*, hold: CreditHold, amount: int, key: str, say: str) -> None:
    """Give back what a resolved hold had paid, by reversing entries; never more than it paid."""
    account = locked(hold.account_id)
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
        give_back(legs, part, from_=Bucket.SPENT, grant_id=grant_id)
    settle_debt(account, legs)
    write(account, key, Kind.REFUND, body, legs, say=say, hold=hold)


def _split(amount: int, sources: Iterable[tuple[int | None, int]]) -> Iterable[tuple[int | None, int]]:
    for grant_id, most in sources:
        part = min(amount, most)
        amount -= part
        if part:
            yield grant_id, part


@transaction.atomic
def revoke(*, source_ref: str, amount: int | None, key: str, say: str) -> int:
    """The money of a grant went back (a refund, a lost dispute), and so do its credits; answers what became debt.

    They are taken from the grant, then from others, and what was spent is owed. `amount` None takes all that was not
    yet taken. In sum it is never more than the grant brought, less what of it had expired unused.
    """
    if amount is not None and amount <= 0:
        raise LedgerError(f"a revocation of {amount}")
    account, grant = _locked_grant(source_ref)
    body = {"source_ref": source_ref, "amount": amount}
    if is_done(account, key, Kind.REVOKE, body):
        return _owed(CreditTransaction.objects.get(key=key))
    expire_due(account, timezone.now())
    most = max(0, grant.amount - grant.revoked - _expired(grant))
    wanted = most if amount is None else min(amount, most)
    legs = Legs()
    for grant_id, part in take(account, wanted, first=grant):
        legs.move(part, from_=Bucket.AVAILABLE if grant_id else Bucket.DEBT, to=Bucket.HOUSE, grant=grant_id)
    _note(grant, wanted)
    write(account, key, Kind.REVOKE, body, legs, say=say, grant=grant)
    return -legs.total(Bucket.DEBT)


@transaction.atomic
def reinstate(*, source_ref: str, amount: int, key: str, say: str) -> None:
    """A dispute was won: what was revoked comes back, with the time that it had left, and pays the debt first."""
    account, grant = _locked_grant(source_ref)
    body = {"source_ref": source_ref, "amount": amount}
    if is_done(account, key, Kind.REINSTATE, body):
        return
    if not 0 < amount <= grant.revoked:
        raise LedgerError(f"{amount} to be reinstated where {grant.revoked} were revoked")
    revoked = CreditTransaction.objects.filter(grant=grant, kind=Kind.REVOKE).latest("pk")
    left = grant.expires_at - revoked.at if grant.expires_at else None
    _note(grant, -amount)
    # a grant of its own: what the old one lost was taken from others, too, and these may be full by now
    bring_in(
        account,
        key,
        Kind.REINSTATE,
        body,
        source_ref=f"reinstate:{key}",
        say=say,
        amount=amount,
        expires_at=None if left is None else timezone.now() + left,
        monthly=grant.monthly,
        instead_of=grant,
    )


def _locked_grant(source_ref: str) -> tuple[CreditAccount, CreditGrant]:
    found = CreditGrant.objects.filter(source_ref=source_ref).values_list("account", flat=True).first()
    if found is None:
        raise LedgerError(f"nothing ever came in from {source_ref}")
    account = locked(found)
    return account, CreditGrant.objects.get(source_ref=source_ref)


def _expired(grant: CreditGrant) -> int:
    """What the house has back already, because nobody used it in time."""
    gone = CreditEntry.objects.filter(grant=grant, transaction__kind=Kind.EXPIRE, bucket=Bucket.HOUSE)
    return gone.aggregate(sum=Sum("amount"))["sum"] or 0


def _note(grant: CreditGrant, amount: int) -> None:
    """Of `remaining` other rows of the database know more than this object does."""
    grant.revoked += amount
    grant.save(update_fields=["revoked"])


def _owed(written: CreditTransaction) -> int:
    return -(written.entries.filter(bucket=Bucket.DEBT).aggregate(sum=Sum("amount"))["sum"] or 0)


@transaction.atomic
def adjust(*, user: User, amount: int, key: str, say: str, actor: User | None) -> None:
    """Staff put right what went wrong. What is taken away beyond the balance becomes a debt and blocks spending."""
    if amount == 0:
        raise LedgerError("an adjustment of 0")
    account = lock(user)
    body = {"amount": amount}
    if is_done(account, key, Kind.ADJUST, body):
        return
    if amount > 0:
        bring_in(account, key, Kind.ADJUST, body, source_ref=f"adjust:{key}", say=say, amount=amount, expires_at=None)
    else:
        expire_due(account, timezone.now())
        legs = Legs()
        for grant_id, part in take(account, -amount):
            legs.move(part, from_=Bucket.AVAILABLE if grant_id else Bucket.DEBT, to=Bucket.HOUSE, grant=grant_id)
        write(account, key, Kind.ADJUST, body, legs, say=say)
    audit.record(
        actor=actor,
        verb="credits.adjust",
        target_kind="user",
        target=user.public_id,
        detail={"amount": amount, "say": say, "key": key},
    )
