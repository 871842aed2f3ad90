"""The chores behind the webhook: settle who was asked for, every minute and at each ring; once a day everybody."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import stripe
import structlog
from celery import shared_task
from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from billing.models import StripeCustomer, StripeEvent
from billing.payments.bell import SWEEP, ring
from billing.payments.client import PAGE, all_of, id_of, is_on, stripe_client
from billing.payments.customers import adopt
from billing.payments.fetching import trace
from billing.payments.settling import LONGEST_ERROR, settle_or_note

log = structlog.get_logger(__name__)

AT_ONCE = 50  # customers a sweep settles before it rings for the next
LOOK_BACK = timedelta(days=3)  # for people whose row we lost: a day, and two in which nobody looked
KEPT = timedelta(days=400)  # messages as they came: as long as a payment can be disputed, and the year's accounts


@shared_task(name=SWEEP)  # type: ignore[untyped-decorator]
def sweep() -> int:
    """Settle whoever there are news of; answers how many. Several at once share the work."""
    if not is_on():
        return 0
    _find_owners()
    due = list(_due()[: AT_ONCE + 1])
    for customer in due[:AT_ONCE]:
        settle_or_note(customer)
    if len(due) > AT_ONCE:
        ring()
    return len(due[:AT_ONCE])


@shared_task(name="billing.payments.tasks.reconcile")  # type: ignore[untyped-decorator]
def reconcile() -> int:
    """Have everybody settled anew, whether news of them came or not; answers how many that will be."""
    if not is_on():
        return 0
    mine = StripeCustomer.objects.filter(livemode=settings.STRIPE_LIVE_MODE).values_list("pk", flat=True)
    asked = sum(_ask(pk) for pk in mine.iterator())  # one at a time: some are being settled
    found = filter(
        None, map(adopt, _who_paid_lately())
    )  # after the others: should Stripe be silent, they are asked for
    asked += sum(_ask(row.pk) for row in found)
    StripeEvent.objects.filter(settled_at__lt=timezone.now() - KEPT).delete()
    log.info("reconcile", customers=asked)
    ring()
    return asked


def _ask(pk: int) -> int:
    return StripeCustomer.objects.filter(pk=pk).update(asked_at=timezone.now())


def _due() -> Any:
    """Whose news wait, and who was asked for since they were settled; `asked_at` may lie ahead, after a failure."""
    news = StripeEvent.objects.filter(settled_at=None, customer=OuterRef("customer"))
    asked = Q(asked_at__isnull=False, settled_at=None) | Q(asked_at__gt=F("settled_at"))
    rows = StripeCustomer.objects.filter(Exists(news) | asked, livemode=settings.STRIPE_LIVE_MODE)
    rows = rows.exclude(asked_at__gt=timezone.now())
    return rows.order_by(F("asked_at").asc(nulls_first=True), "pk").values_list("customer", flat=True)


def _find_owners() -> None:
    """News that name nobody, or somebody unknown: find whose they are, or put them aside."""
    known = StripeCustomer.objects.values("customer")
    for event in StripeEvent.objects.filter(settled_at=None).exclude(customer__in=known).order_by("pk")[:PAGE]:
        try:
            _find_owner(event)
        except stripe.StripeError as error:
            StripeEvent.objects.filter(pk=event.pk).update(error=str(error)[:LONGEST_ERROR])


def _find_owner(event: StripeEvent) -> None:
    customer = event.customer or trace(json.loads(event.body)["data"]["object"])
    row = adopt(customer) if customer else None
    if row is not None:
        StripeEvent.objects.filter(pk=event.pk).update(customer=customer, error="")
        return
    error = f"{customer} is nobody of ours" if customer else ""
    if error:
        log.warning("stripe_event_of_nobody", message=event.event, customer=customer)
    StripeEvent.objects.filter(pk=event.pk).update(settled_at=timezone.now(), error=error)


def _who_paid_lately() -> list[str]:
    """Customers of paid sessions and invoices whose row we do not have (any more)."""
    ask = stripe_client().v1
    since: Any = {"created": {"gte": int((timezone.now() - LOOK_BACK).timestamp())}, "limit": PAGE}
    paid = all_of(ask.invoices.list(since | {"status": "paid"})) + all_of(
        ask.checkout.sessions.list(since | {"status": "complete"})
    )
    wanted = {id_of(one.get("customer")) for one in paid} - {""}
    known = StripeCustomer.objects.filter(customer__in=wanted).values_list("customer", flat=True)
    return sorted(wanted - set(known))
