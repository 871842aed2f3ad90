"""Reading the ledger: its lines as a person reads them, and sums."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils.translation import gettext as _

from accounts.models import User
from billing.models import CreditEntry, CreditTransaction
from config.kit.errors import Refusal
from config.kit.paging import Page


def lines_of(user: User) -> QuerySet[CreditTransaction]:
    """A person's lines, newest first. A hold is a line only until it is resolved; then the resolving line tells all."""
    told_elsewhere = Q(kind=CreditTransaction.Kind.HOLD, hold__resolved_at__isnull=False)
    return entries_of(user).exclude(told_elsewhere)


def entries_of(user: User) -> QuerySet[CreditTransaction]:
    """Everything that ever happened in a person's purse, newest first."""
    return CreditTransaction.objects.filter(account__user=user).select_related("hold").order_by("-pk")


def page_of(rows: QuerySet[CreditTransaction], *, cursor: str, size: int) -> Page[CreditTransaction]:
    """The rows after `cursor`, in the order in which the purse saw them: two may share a moment, never a place."""
    if cursor:
        rows = rows.filter(pk__lt=_place(rows, cursor))
    found = list(rows.prefetch_related("entries")[: size + 1])
    items = found[:size]
    return Page(items=items, next=items[-1].public_id.hex if len(found) > size else "")


def _place(rows: QuerySet[CreditTransaction], cursor: str) -> int:
    try:
        return rows.get(public_id=uuid.UUID(hex=cursor)).pk
    except (ValueError, CreditTransaction.DoesNotExist) as error:
        say = _("This page of the list cannot be found. Start again from the first one.")
        raise Refusal(say, code="bad_cursor", field="cursor") from error


def spent(user: User, since: datetime | None = None) -> int:
    """Credits paid for what was delivered, less what was refunded."""
    entries = CreditEntry.objects.filter(account__user=user, bucket=CreditEntry.Bucket.SPENT)
    if since is not None:
        entries = entries.filter(transaction__at__gte=since)
    return entries.aggregate(sum=Sum("amount"))["sum"] or 0


def spent_each_day(user: User, month: datetime, days: int) -> list[dict[str, int]]:
    """Credits paid on each day of a month, as the usage chart wants them."""
    paid = (
        CreditEntry.objects.filter(account__user=user, bucket=CreditEntry.Bucket.SPENT, transaction__at__gte=month)
        .annotate(day=TruncDate("transaction__at"))
        .values_list("day")
        .annotate(Sum("amount"))
    )
    by_day = {day.day: amount for day, amount in paid}
    return [{"credits": max(0, by_day.get(day, 0))} for day in range(1, days + 1)]
