"""What comes in, and where the credits go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Aggregate, Count, FloatField, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.catalogue import dollars
from billing.models import CreditEntry, CreditTransaction, Entitlement
from billing.plans import PAID_STATUSES, PLANS
from config.pages.figures.period import Period

TOP = 5
Kind, Bucket = CreditTransaction.Kind, CreditEntry.Bucket
# credits that somebody paid for: where a grant of them comes from
PAID = Q(source_ref__startswith="invoice:") | Q(source_ref__startswith="session:")
_SOLD = Q(transaction__key__startswith="grant:invoice:") | Q(transaction__key__startswith="grant:session:")
_TRIAL = "trialing"  # nothing is paid yet


class Median(Aggregate):
    """PostgreSQL's; between two middle values it lies halfway."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True)
class Recurring:
    """Subscriptions as they stand, in cents a month at the catalogue's price; and those that ended in the period."""

    plans: list[tuple[str, int, int]]  # name, subscriptions, cents
    trials: int
    ending: int
    churned: int
    churned_cents: int

    @property
    def cents(self) -> int:
        return sum(cents for _name, _count, cents in self.plans)

    @property
    def a_month(self) -> str:
        return dollars(self.cents)

    @property
    def churned_a_month(self) -> str:
        return dollars(self.churned_cents)

    def lines(self) -> list[tuple[str, int, str]]:
        """Each plan with its subscriptions and what they bring a month."""
        return [(name, count, dollars(cents)) for name, count, cents in self.plans]


@dataclass(frozen=True)
class Credits:
    """What happened to credits in the period, each figure zero or more unless it says otherwise."""

    sold: int
    given: int  # by the house: welcomes and what staff grant
    adjusted: int  # by staff, both ways together: may be below zero
    taken_back: int  # with money that went back, less what was reinstated
    expired: int
    spent: int  # less what was refunded
    spenders: int
    median: float
    top: list[tuple[str, int]]  # email, credits


def recurring(period: Period) -> Recurring:
    now = timezone.now()
    rows = Entitlement.objects.exclude(subscription="")
    living = rows.filter(status__in=PAID_STATUSES)
    paying = dict(living.exclude(status=_TRIAL).values_list("subscribed").annotate(Count("pk")))
    gone = dict(
        rows.filter(status="canceled", ends_at__gte=period.start, ends_at__lt=min(period.end, now))
        .values_list("subscribed")
        .annotate(Count("pk"))
    )
    return Recurring(
        plans=[
            (plan.name, paying[plan.slug], paying[plan.slug] * plan.cents_a_month)
            for plan in PLANS.values()
            if plan.slug in paying
        ],
        trials=living.filter(status=_TRIAL).count(),
        ending=living.filter(ends_at__isnull=False).count(),
        churned=sum(gone.values()),
        churned_cents=sum(PLANS[slug].cents_a_month * count for slug, count in gone.items() if slug in PLANS),
    )


def credits(period: Period) -> Credits:
    """The house's side of each entry says what came in and went out; the bucket of what is spent says the rest."""
    entries = CreditEntry.objects.filter(transaction__at__gte=period.start, transaction__at__lt=period.end)
    house = Q(bucket=Bucket.HOUSE)

    def total(which: Q) -> Any:
        return Coalesce(Sum("amount", filter=which), 0)

    sums = entries.aggregate(
        sold=total(house & Q(transaction__kind=Kind.GRANT) & _SOLD),
        given=total(house & Q(transaction__kind=Kind.GRANT) & ~_SOLD),
        adjusted=total(house & Q(transaction__kind=Kind.ADJUST)),
        back=total(house & Q(transaction__kind__in=(Kind.REVOKE, Kind.REINSTATE))),
        expired=total(house & Q(transaction__kind=Kind.EXPIRE)),
        spent=total(Q(bucket=Bucket.SPENT)),
    )
    each = (
        entries.filter(bucket=Bucket.SPENT)
        .values("account__user__email")
        .annotate(credits=Sum("amount"))
        .filter(credits__gt=0)
    )
    most = each.order_by("-credits", "account__user__email")
    people = each.aggregate(spenders=Count("account__user__email"), median=Median("credits"))
    return Credits(
        sold=-sums["sold"],
        given=-sums["given"],
        adjusted=-sums["adjusted"],
        taken_back=sums["back"],
        expired=sums["expired"],
        spent=sums["spent"],
        spenders=people["spenders"],
        median=people["median"] or 0.0,
        top=list(most.values_list("account__user__email", "credits")[:TOP]),
    )
