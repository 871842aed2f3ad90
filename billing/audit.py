"""Does every cached figure still follow from the entries? Reports what drifted, and can set it right."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Sum

from accounts.models import User
from billing.book import Bucket
from billing.models import CreditAccount, CreditEntry, CreditTransaction


@dataclass(frozen=True)
class Drift:
    """One figure that is not what the entries say."""

    user: User
    what: str
    cached: int
    entries: int

    def __str__(self) -> str:
        return f"{self.user}: {self.what} is {self.cached}, its entries say {self.entries}"


@transaction.atomic
def audit_account(account_id: int, *, mend: bool) -> list[Drift]:
    """Rebuild one purse from its entries and compare; with `mend` the cached figures become what the entries say."""
    account = CreditAccount.objects.select_for_update().select_related("user").get(pk=account_id)
    buckets, grants, holds = _sums(account)
    drifts: list[Drift] = []

    def compare(what: str, cached: int, entries: int) -> bool:
        if cached != entries:
            drifts.append(Drift(account.user, what, cached, entries))
        return cached != entries

    off = [
        compare("available", account.available, buckets[Bucket.AVAILABLE]),
        compare("held", account.held, buckets[Bucket.HELD]),
        compare("debt", account.debt, -buckets[Bucket.DEBT]),
    ]
    if mend and any(off):
        account.available, account.held = buckets[Bucket.AVAILABLE], buckets[Bucket.HELD]
        account.debt = -buckets[Bucket.DEBT]
        account.save(update_fields=["available", "held", "debt"])
    for grant in account.grants.all():
        if compare(f"what remains of {grant.source_ref}", grant.remaining, grants[grant.pk]) and mend:
            grant.remaining = grants[grant.pk]
            grant.save(update_fields=["remaining"])
    for hold in account.holds.all():
        compare(f"what {hold.key} still holds", hold.amount - hold.captured - hold.released, holds[hold.pk])
    for row in CreditTransaction.objects.filter(account=account).annotate(sum=Sum("entries__amount")).exclude(sum=0):
        compare(f"the sum of {row.key}", row.sum or 0, 0)
    newest = CreditTransaction.objects.filter(account=account).order_by("-pk").first()
    if newest is not None:
        compare("the balance of the newest line", newest.balance, buckets[Bucket.AVAILABLE] + buckets[Bucket.HELD])
    return drifts


def audit_all(*, mend: bool) -> list[Drift]:
    """Every purse, one at a time, so that nobody waits long."""
    accounts = CreditAccount.objects.order_by("pk").values_list("pk", flat=True)
    return [drift for account_id in accounts for drift in audit_account(account_id, mend=mend)]


def _sums(account: CreditAccount) -> tuple[dict[str, int], dict[int, int], dict[int, int]]:
    """What the entries say: by bucket, still available by grant, still held by hold."""
    buckets: dict[str, int] = defaultdict(int)
    grants: dict[int, int] = defaultdict(int)
    holds: dict[int, int] = defaultdict(int)
    entries = CreditEntry.objects.filter(account=account)
    rows = entries.values_list("bucket", "grant", "transaction__hold").annotate(Sum("amount"))
    for bucket, grant, hold, amount in rows:
        buckets[bucket] += amount
        if bucket == Bucket.AVAILABLE and grant:
            grants[grant] += amount
        if bucket == Bucket.HELD and hold:
            holds[hold] += amount
    return buckets, grants, holds
