"""Credits that come in: welcomes, packs, months."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from billing.book import Kind, LedgerError, is_done
from billing.ledger.purse import bring_in, expire_due, let_go, lock, soonest_first
from billing.models import CreditAccount, CreditGrant


@transaction.atomic
def grant(*, user: User, amount: int, source_ref: str, say: str, expires_at: datetime | None = None) -> CreditGrant:
    """Bring credits in. `source_ref` names where they come from (an invoice, a welcome) and brings them in once."""
    if amount <= 0:
        raise LedgerError(f"a grant of {amount}")
    account = lock(user)
    key, body = f"grant:{source_ref}", {"amount": amount, "expires_at": expires_at}
    if is_done(account, key, Kind.GRANT, body):
        return CreditGrant.objects.get(source_ref=source_ref)
    return bring_in(
        account, key, Kind.GRANT, body, source_ref=source_ref, say=say, amount=amount, expires_at=expires_at
    )


@transaction.atomic
def renew(*, user: User, amount: int, source_ref: str, say: str, expires_at: datetime, rollover: int) -> CreditGrant:
    """A month's credits. Of earlier months at most `rollover` stay; what is more expires now, soonest first.

    What is held for running work is not counted: it belongs to that work.
    """
    if amount <= 0 or rollover < 0:
        raise LedgerError(f"a renewal of {amount} with {rollover} carried over")
    account = lock(user)
    key, body = f"grant:{source_ref}", {"amount": amount, "expires_at": expires_at, "rollover": rollover}
    if is_done(account, key, Kind.GRANT, body):
        return CreditGrant.objects.get(source_ref=source_ref)
    expire_due(account, timezone.now())
    _carry_over(account, rollover, source_ref)
    return bring_in(
        account,
        key,
        Kind.GRANT,
        body,
        source_ref=source_ref,
        say=say,
        amount=amount,
        expires_at=expires_at,
        monthly=True,
    )


def _carry_over(account: CreditAccount, most: int, source_ref: str) -> None:
    earlier = list(soonest_first(account, monthly=True))
    too_many = sum(one.remaining for one in earlier) - most
    for one in earlier:
        part = min(one.remaining, too_many)
        if part <= 0:
            break
        let_go(account, one, part, key=f"carry:{source_ref}:{one.pk}", say=f"Not carried over: {one.say}")
        too_many -= part
