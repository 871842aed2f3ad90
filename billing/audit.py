"""Does every cached figure still follow from the entries? Reports what drifted, and can set it right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy

from accounts.models import User
from accounts.notifications import Example, notify
from accounts.notifications import Kind as NoticeKind
from billing import holds
from billing.book import Bucket, Kind
from billing.models import CreditAccount, CreditEntry, CreditGrant, CreditHold, CreditTransaction

DRIFT = NoticeKind(
    "billing.drift",
    gettext_lazy("Balances that drifted"),
    mail=True,
    binding=True,
    staff=True,
    example=Example(title=gettext_lazy("2 figures of the ledger drifted."), url="/admin/billing/creditaccount/"),
)


@dataclass(frozen=True)
class Drift:
    """One figure that is not what the entries say; of nobody in particular if it is a sum over all."""

    user: User | None
    what: str
    cached: int
    entries: int

    def __str__(self) -> str:
        return f"{self.user or 'everybody'}: {self.what} is {self.cached}, its entries say {self.entries}"


@dataclass(frozen=True)
class Report:
    """What an audit saw. `orphans` are holds that no living job will resolve: a time-out gives them back."""

    accounts: int
    entries: int
    drifts: list[Drift]
    orphans: list[CreditHold]

    def as_json(self) -> dict[str, int]:
        return {
            "accounts": self.accounts,
            "entries": self.entries,
            "drift": len(self.drifts),
            "unresolved_holds_without_job": len(self.orphans),
        }


def audit(*, mend: bool) -> Report:
    """Everything: each purse, the sum of all of them with the house, and the holds without a job."""
    return Report(
        accounts=CreditAccount.objects.count(),
        entries=CreditEntry.objects.count(),
        drifts=audit_all(mend=mend),
        orphans=holds.without_job(CreditHold.objects.all()),
    )


def audit_all(*, mend: bool) -> list[Drift]:
    """Every purse, one at a time, so that nobody waits long; then all that was ever moved, which must be nothing."""
    accounts = CreditAccount.objects.order_by("pk").values_list("pk", flat=True)
    drifts = [drift for account_id in accounts for drift in audit_account(account_id, mend=mend)]
    everything = CreditEntry.objects.aggregate(sum=Sum("amount"))["sum"] or 0
    return drifts if everything == 0 else [*drifts, Drift(None, "the sum of all entries", everything, 0)]


def tell_staff(report: Report, *, key: str) -> None:
    """Once for each `key`, everybody who may look into it."""
    title = f"Figures of the ledger that drifted: {len(report.drifts)}."
    body = "\n".join(str(drift) for drift in report.drifts[:10])
    for person in User.objects.filter(is_staff=True, is_active=True):
        notify(user=person, kind=DRIFT.name, key=f"drift:{key}", title=title, body=body, url=DRIFT.example.url)


# --- one purse ------------------------------------------------------------------------------------------------


@dataclass
class _Sums:
    """What the entries of one purse say."""

    buckets: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    remaining: dict[int, int] = field(default_factory=lambda: defaultdict(int))  # by grant
    brought: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    revoked: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    holds: dict[int, int] = field(default_factory=lambda: defaultdict(int))  # still held


@transaction.atomic
def audit_account(account_id: int, *, mend: bool) -> list[Drift]:
    """Rebuild one purse from its entries and compare; with `mend` the cached figures become what the entries say."""
    account = CreditAccount.objects.select_for_update().select_related("user").get(pk=account_id)
    sums = _sums(account)
    drifts = _off(account, "", account, _balances(sums), mend)
    for grant in account.grants.all():
        figures = {
            "amount": sums.brought[grant.pk],
            "remaining": sums.remaining[grant.pk],
            "revoked": sums.revoked[grant.pk],
        }
        drifts += _off(account, f" of {grant.source_ref}", grant, figures, mend)

    def compare(what: str, cached: int, entries: int) -> None:
        if cached != entries:
            drifts.append(Drift(account.user, what, cached, entries))

    for hold in account.holds.all():
        compare(f"what {hold.key} still holds", hold.amount - hold.captured - hold.released, sums.holds[hold.pk])
    for row in CreditTransaction.objects.filter(account=account).annotate(sum=Sum("entries__amount")).exclude(sum=0):
        compare(f"the sum of {row.key}", row.sum or 0, 0)
    newest = CreditTransaction.objects.filter(account=account).order_by("-pk").first()
    if newest is not None:
        balance = sums.buckets[Bucket.AVAILABLE] + sums.buckets[Bucket.HELD]
        compare("the balance of the newest line", newest.balance, balance)
    return drifts


def _off(
    account: CreditAccount, which: str, row: CreditAccount | CreditGrant, figures: Mapping[str, int], mend: bool
) -> list[Drift]:
    """The columns of the row that are not these figures; set right where that is wished."""
    off = {column: figure for column, figure in figures.items() if getattr(row, column) != figure}
    drifts = [Drift(account.user, f"{column}{which}", getattr(row, column), figure) for column, figure in off.items()]
    if mend and off:
        type(row)._default_manager.filter(pk=row.pk).update(**off)
    return drifts


def _balances(sums: _Sums) -> dict[str, int]:
    return {
        "available": sums.buckets[Bucket.AVAILABLE],
        "held": sums.buckets[Bucket.HELD],
        "debt": -sums.buckets[Bucket.DEBT],
    }


def _sums(account: CreditAccount) -> _Sums:
    sums = _Sums()
    entries = CreditEntry.objects.filter(account=account)
    rows = entries.values_list("bucket", "grant", "transaction__kind", "transaction__hold", "transaction__grant")
    for bucket, grant, kind, hold, concerned, amount in rows.annotate(Sum("amount")):
        sums.buckets[bucket] += amount
        if bucket == Bucket.AVAILABLE and grant:
            sums.remaining[grant] += amount
        if bucket == Bucket.HELD and hold:
            sums.holds[hold] += amount
        if bucket == Bucket.HOUSE and kind in (Kind.REVOKE, Kind.REINSTATE) and concerned:
            sums.revoked[concerned] += amount
    # the house gives to a grant only when it comes in
    given = entries.filter(bucket=Bucket.HOUSE, grant__isnull=False, amount__lt=0)
    sums.brought.update({grant: -amount for grant, amount in given.values_list("grant").annotate(Sum("amount"))})
    return sums
