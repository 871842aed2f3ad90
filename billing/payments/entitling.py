"""What a person may have follows from their subscriptions as they are now: a pure function, whatever came before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from accounts.models import User
from billing import plans
from billing.catalogue import Plan
from billing.models import Entitlement
from billing.payments.client import Found

OFFER = "offer"  # the metadata's field of a price that names what it is for; its lookup key may move on to another
OVER = frozenset({"canceled", "incomplete_expired"})  # nothing comes after these
# `past_due`: Stripe tries again for some days, and the plan goes on meanwhile. `unpaid`: it has given up.
OVERDUE = frozenset({"past_due", "unpaid"})


@dataclass(frozen=True)
class Entitled:
    """What one person's subscriptions come to. Without any, everything is empty."""

    plan: str = plans.FREE.slug  # that counts
    subscription: str = ""
    subscribed: str = ""  # the plan it is for, whether it counts or not
    status: str = ""
    renews_at: datetime | None = None
    ends_at: datetime | None = None
    overdue_since: datetime | None = None


def entitled(subscriptions: Iterable[Found], now: datetime) -> Entitled:
    """The best of the subscriptions: the largest plan that counts, else the one that says most."""
    return max((_of(one, now) for one in subscriptions), key=_rank, default=Entitled())


def plan_of_price(price: Found) -> Plan | None:
    """The plan that a price is for; None for a price that `stripe_sync` did not make."""
    name = (price.get("metadata") or {}).get(OFFER) or price.get("lookup_key") or ""
    found = plans.OFFERS.get(name)
    return found if isinstance(found, Plan) else None


def plan_of_subscription(subscription: Found) -> str:
    """The largest plan among its items."""
    found = [plan for item in subscription["items"]["data"] if (plan := plan_of_price(item["price"])) is not None]
    return max(found, key=lambda plan: plan.cents_a_month).slug if found else ""


def when(stamp: int | None) -> datetime | None:
    return None if stamp is None else datetime.fromtimestamp(stamp, UTC)


def period_of(subscription: Found) -> tuple[datetime | None, datetime | None]:
    """The period that is paid for, or being paid for: it stands at the items."""
    items = subscription["items"]["data"]
    starts = [item["current_period_start"] for item in items]
    ends = [item["current_period_end"] for item in items]
    return when(max(starts, default=None)), when(max(ends, default=None))


def _of(subscription: Found, now: datetime) -> Entitled:
    begins, period_end = period_of(subscription)
    status = subscription["status"]
    ends_at = when(subscription.get("ended_at")) or when(subscription.get("cancel_at"))
    if ends_at is None and subscription.get("cancel_at_period_end"):
        ends_at = period_end
    if status in plans.PAID_STATUSES and ends_at is not None and ends_at <= now:
        status = "canceled"  # it is over, though Stripe has not got round to saying so
    name = plan_of_subscription(subscription)
    counts = bool(name) and status in plans.PAID_STATUSES
    return Entitled(
        plan=name if counts else plans.FREE.slug,
        subscription=subscription["id"],
        subscribed=name,
        status=status,
        renews_at=period_end if counts and ends_at is None else None,
        ends_at=ends_at,
        overdue_since=begins if status in OVERDUE else None,
    )


def _rank(one: Entitled) -> tuple[int, int, datetime, str]:
    """Total, so that no order of Stripe's lists decides: plan, status, the later end, at last the name."""
    told = ("active", "trialing", "past_due", "unpaid", "incomplete", "paused", "canceled", "incomplete_expired")
    status = -told.index(one.status) if one.status in told else -len(told)
    end = one.renews_at or one.ends_at or datetime.min.replace(tzinfo=UTC)
    return list(plans.PLANS).index(one.plan), status, end, one.subscription


def entitle(user: User, now_is: Entitled) -> tuple[Entitlement, str]:
    """Write it down. Answers the row, and the plan that counted before."""
    Entitlement.objects.get_or_create(user=user)
    row = Entitlement.objects.select_for_update().get(user=user)
    before = row.plan
    for name in ("subscription", "subscribed", "status", "renews_at", "ends_at", "overdue_since"):
        setattr(row, name, getattr(now_is, name))
    row.plan = plans.counted(row)
    row.save()
    return row, before
