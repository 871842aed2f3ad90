"""Reading the ledger: its lines as a person reads them, and sums."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from billing.models import CreditEntry, CreditGrant, CreditTransaction
from billing.usage import after
from config.kit.errors import Refusal
from config.kit.paging import Page

Kind = CreditTransaction.Kind

# What a person may ask to see, each with the kinds of line that it is.
FILTERS = {
    "paid": (gettext_lazy("Paid"), (Kind.CAPTURE,)),
    "held": (gettext_lazy("Held now"), (Kind.HOLD,)),
    "in": (gettext_lazy("Came in"), (Kind.GRANT, Kind.REINSTATE)),
    "back": (gettext_lazy("Given back"), (Kind.RELEASE, Kind.REFUND)),
    "gone": (gettext_lazy("Expired or taken back"), (Kind.EXPIRE, Kind.REVOKE)),
    "adjusted": (gettext_lazy("Set right"), (Kind.ADJUST,)),
}


def lines_of(user: User) -> QuerySet[CreditTransaction]:
    """A person's lines, newest first. A hold is a line only until it is resolved; then the resolving line tells all."""
    told_elsewhere = Q(kind=Kind.HOLD, hold__resolved_at__isnull=False)
    return entries_of(user).exclude(told_elsewhere)


def entries_of(user: User) -> QuerySet[CreditTransaction]:
    """Everything that ever happened in a person's purse, newest first."""
    return CreditTransaction.objects.filter(account__user=user).select_related("hold").order_by("-pk")


def among(
    rows: QuerySet[CreditTransaction], *, kind: str = "", month: datetime | None = None
) -> QuerySet[CreditTransaction]:
    """The rows of one of `FILTERS`, of one month, or of both. Raises a Refusal for a filter that there is not."""
    if kind and kind not in FILTERS:
        say = _("There is no such filter. There is: %(names)s.") % {"names": ", ".join(FILTERS)}
        raise Refusal(say, code="bad_kind", field="kind")
    if kind:
        rows = rows.filter(kind__in=FILTERS[kind][1])
    return rows.filter(at__gte=month, at__lt=after(month)) if month else rows


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


@dataclass(frozen=True)
class Expiry:
    """What runs out on one day unless it is used before."""

    on: date
    amount: int


def expiries_of(user: User) -> list[Expiry]:
    """The soonest first; what never expires is not among them."""
    rows = (
        CreditGrant.objects.filter(account__user=user, remaining__gt=0, expires_at__gt=timezone.now())
        .annotate(on=TruncDate("expires_at"))
        .values_list("on")
        .annotate(Sum("remaining"))
        .order_by("on")
    )
    return [Expiry(on, amount) for on, amount in rows]


def spent(user: User, since: datetime | None = None) -> int:
    """Credits paid for what was delivered, less what was refunded."""
    entries = CreditEntry.objects.filter(account__user=user, bucket=CreditEntry.Bucket.SPENT)
    if since is not None:
        entries = entries.filter(transaction__at__gte=since)
    return entries.aggregate(sum=Sum("amount"))["sum"] or 0
