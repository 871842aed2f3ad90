"""How a transaction is put on paper: legs that sum to zero, one key per effect, the cached balance moving with them.

Only `billing.ledger` uses this.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from billing.models import CreditAccount, CreditEntry, CreditHold, CreditTransaction

Kind = CreditTransaction.Kind
Bucket = CreditEntry.Bucket
LONGEST_SAY = 200


class LedgerError(Exception):
    """A caller's mistake, never a person's: it must be mended in the code, not shown."""


class KeyReused(LedgerError):
    """The same key came with another body."""


@dataclass
class Legs:
    """The entries of one transaction while it is put together, one amount for each bucket and grant."""

    sums: dict[tuple[str, int | None], int] = field(default_factory=lambda: defaultdict(int))

    def move(self, amount: int, *, from_: str, to: str, grant: int | None) -> None:
        self.sums[from_, grant] -= amount
        self.sums[to, grant] += amount

    def total(self, bucket: str) -> int:
        return sum(amount for (name, _), amount in self.sums.items() if name == bucket)


def is_done(account: CreditAccount, key: str, kind: str, body: Mapping[str, object]) -> bool:
    """Whether this effect happened already; the same key with another body is an error."""
    earlier = CreditTransaction.objects.filter(key=key).first()
    if earlier is not None and earlier.body_hash != _digest(account, kind, body):
        raise KeyReused(f"{key} was used for another {earlier.kind}")
    return earlier is not None


def write(
    account: CreditAccount,
    key: str,
    kind: str,
    body: Mapping[str, object],
    legs: Legs,
    *,
    say: str,
    hold: CreditHold | None = None,
) -> None:
    """Append the transaction and move the balance of its locked account."""
    before = account.balance
    account.available += legs.total(Bucket.AVAILABLE)
    account.held += legs.total(Bucket.HELD)
    account.debt -= legs.total(Bucket.DEBT)
    account.save(update_fields=["available", "held", "debt"])
    written = CreditTransaction.objects.create(
        account=account,
        key=key,
        body_hash=_digest(account, kind, body),
        kind=kind,
        job=hold.job if hold else None,
        hold=hold,
        say=fit(say),
        amount=account.balance - before,
        balance=account.balance,
    )
    CreditEntry.objects.bulk_create(
        CreditEntry(transaction=written, account=account, bucket=bucket, grant_id=grant_id, amount=amount)
        for (bucket, grant_id), amount in legs.sums.items()
        if amount
    )


def fit(say: str) -> str:
    return say if len(say) <= LONGEST_SAY else say[: LONGEST_SAY - 1] + "…"


def _digest(account: CreditAccount, kind: str, body: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps([account.pk, kind, body], sort_keys=True, default=str).encode()).hexdigest()
