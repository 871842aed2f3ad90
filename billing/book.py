"""How a transaction is put on paper: legs that sum to zero, one key per effect, the cached balance moving with them.

Only `billing.ledger` uses this.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from billing.models import CreditAccount, CreditEntry, CreditGrant, CreditHold, CreditTransaction
from config.kit.text import shortened

Kind = CreditTransaction.Kind
Bucket = CreditEntry.Bucket
LONGEST_SAY = 200

Parts = Sequence[tuple[str, int]]  # what a line unfolds into: a label and its credits


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


@dataclass(frozen=True)
class Line:
    """One transaction to be written."""

    key: str
    kind: str
    body: Mapping[str, object]
    legs: Legs
    say: str
    hold: CreditHold | None = None
    grant: CreditGrant | None = None
    parts: Parts = ()


def is_done(account: CreditAccount, key: str, kind: str, body: Mapping[str, object]) -> bool:
    """Whether this effect happened already; the same key with another body is an error."""
    return bool(all_done(account, kind, {key: body}))


def all_done(account: CreditAccount, kind: str, bodies: Mapping[str, Mapping[str, object]]) -> set[str]:
    """Of several effects, by their keys, those that happened already."""
    earlier = CreditTransaction.objects.filter(key__in=bodies)
    for one in earlier:
        if one.body_hash != _digest(account, kind, bodies[one.key]):
            raise KeyReused(f"{one.key} was used for another {one.kind}")
    return {one.key for one in earlier}


def write(
    account: CreditAccount,
    key: str,
    kind: str,
    body: Mapping[str, object],
    legs: Legs,
    *,
    say: str,
    hold: CreditHold | None = None,
    grant: CreditGrant | None = None,
    parts: Parts = (),
) -> None:
    """Append the transaction and move the balance of its locked account."""
    write_all(account, [Line(key, kind, body, legs, say, hold, grant, parts)])


def write_all(account: CreditAccount, lines: Sequence[Line]) -> None:
    """Append several transactions, one after another, and move the balance of their locked account."""
    written = []
    for line in lines:
        before = account.balance
        account.available += line.legs.total(Bucket.AVAILABLE)
        account.held += line.legs.total(Bucket.HELD)
        account.debt -= line.legs.total(Bucket.DEBT)
        written.append(
            CreditTransaction(
                account=account,
                key=line.key,
                body_hash=_digest(account, line.kind, line.body),
                kind=line.kind,
                job=line.hold.job if line.hold else None,
                hold=line.hold,
                grant=line.grant,
                parts=[[fit(label), credits] for label, credits in line.parts],
                say=fit(line.say),
                amount=account.balance - before,
                balance=account.balance,
            )
        )
    account.save(update_fields=["available", "held", "debt"])
    CreditTransaction.objects.bulk_create(written)
    CreditEntry.objects.bulk_create(
        CreditEntry(transaction=one, account=account, bucket=bucket, grant_id=grant_id, amount=amount)
        for one, line in zip(written, lines, strict=True)
        for (bucket, grant_id), amount in line.legs.sums.items()
        if amount
    )


def fit(say: str) -> str:
    return shortened(say, LONGEST_SAY)


def _digest(account: CreditAccount, kind: str, body: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps([account.pk, kind, body], sort_keys=True, default=str).encode()).hexdigest()
