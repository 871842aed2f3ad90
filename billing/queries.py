"""Reading the ledger: its lines as a person reads them, and sums."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet, Sum

from accounts.models import User
from billing.models import CreditEntry, CreditTransaction


def lines_of(user: User) -> QuerySet[CreditTransaction]:
    """A person's lines, newest first. A hold is a line only until it is resolved; then the resolving line tells all."""
    told_elsewhere = Q(kind=CreditTransaction.Kind.HOLD, hold__resolved_at__isnull=False)
    mine = CreditTransaction.objects.filter(account__user=user).exclude(told_elsewhere)
    return mine.select_related("hold").order_by("-pk")


def spent(user: User, since: datetime | None = None) -> int:
    """Credits paid for what was delivered, less what was refunded."""
    entries = CreditEntry.objects.filter(account__user=user, bucket=CreditEntry.Bucket.SPENT)
    if since is not None:
        entries = entries.filter(transaction__at__gte=since)
    return entries.aggregate(sum=Sum("amount"))["sum"] or 0
