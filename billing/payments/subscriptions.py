"""Changing a subscription: at Stripe, and then settled, so that the page shows what is so."""

from __future__ import annotations

from typing import Any

import stripe
import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import AuditEntry, User
from billing import notices, plans
from billing.catalogue import Plan
from billing.models import StripeCustomer
from billing.payments.checkout import TIMES, WINDOW, living, price_of
from billing.payments.client import Found, PaymentsOff, asking, id_of, is_on, plain, stripe_client
from billing.payments.ending import end_all, release
from billing.payments.entitling import period_of, plan_of_subscription
from billing.payments.settling import settle_or_note
from config.kit.errors import Conflict, Refusal
from config.kit.limits import limit

log = structlog.get_logger(__name__)


def cancel(*, user: User) -> None:
    """It ends with the period that is paid. Until then it can be taken back."""
    _set_end(user, ends=True)
    _trail(user, "plan.cancel")


def resume(*, user: User) -> None:
    """Take the end back, and a smaller plan that was to come: it goes on as it is."""
    was = _set_end(user, ends=False)
    entry = _trail(user, "plan.resume")
    _tell(user, f"deed:{entry.pk}", was, _plan_now(was), _plan_now(was))


def change(*, user: User, plan: str) -> None:
    """A larger plan begins now, and the difference for the rest of the period is paid at once; a smaller one begins
    with the next period. Where the difference cannot be paid nothing changes, and a `Refusal` says so."""
    wanted = plans.PLANS.get(plan)
    if wanted is None or wanted.is_free:
        raise Refusal(_("There is no such plan to change to."), code="unknown_plan", field="plan")
    with asking(), transaction.atomic():
        customer, subscription = _mine(user)
        if subscription["status"] not in ("active", "trialing"):
            say = _("The last payment is still open. Pay it first; then the plan can be changed.")
            raise Conflict(say, code="payment_open")
        mine = _plan_now(subscription)
        price = price_of(wanted.lookup_key)["id"]
        release(subscription)
        if mine is not None and wanted.cents_a_month <= mine.cents_a_month:
            _go_on(subscription)
            if wanted.slug != mine.slug:
                _later(subscription, price)
        else:
            _now(subscription, price)
    settle_or_note(customer)  # it is done at Stripe; should this fail, the sweep makes it good
    entry = _trail(user, "plan.change", plan=wanted.slug)
    _tell(user, f"deed:{entry.pk}", subscription, mine, wanted)


def stop_now(*, user: User, key: str) -> None:
    """End every subscription at once and close every visit to Checkout: the account is being closed.

    `key` names the closing: the same call again does nothing more. Without Stripe there is nothing to stop.
    """
    row = StripeCustomer.objects.filter(user=user).first()
    if row is None or not is_on():
        return
    end_all(customer=row, key=key)
    settle_or_note(row.customer)


def _mine(user: User) -> tuple[str, Found]:
    """The customer, locked so that two changes come one after the other, and the subscription that is meant."""
    if not is_on():
        raise PaymentsOff
    often = _("That were many changes at once. Please wait some minutes.")
    limit("subscription", str(user.pk), times=TIMES, seconds=WINDOW, say=often)
    row = StripeCustomer.objects.select_for_update(no_key=True).filter(user=user).first()
    found = [one for one in living(row.customer) if one["status"] != "incomplete"] if row else []
    if row is None or not found:
        raise Conflict(_("You have no subscription that could be changed."), code="not_subscribed")
    order = list(plans.PLANS)
    best = max(found, key=lambda one: order.index(plan_of_subscription(one) or plans.FREE.slug))
    return row.customer, best


def _plan_now(subscription: Found) -> Plan | None:
    return plans.PLANS.get(plan_of_subscription(subscription))


def _set_end(user: User, *, ends: bool) -> Found:
    """Answers the subscription as it was before."""
    with asking(), transaction.atomic():
        customer, subscription = _mine(user)
        release(subscription)
        if ends:
            _update(subscription, {"cancel_at_period_end": True})
        else:
            _go_on(subscription)
    settle_or_note(customer)  # it is done at Stripe; should this fail, the sweep makes it good
    return subscription


def _go_on(subscription: Found) -> None:
    if _without_end(subscription):
        _update(subscription, _without_end(subscription))


def _without_end(subscription: Found) -> dict[str, Any]:
    """What takes back an end that was set, in either of the two ways in which Stripe notes one."""
    if subscription.get("cancel_at_period_end"):
        return {"cancel_at_period_end": False}
    return {"cancel_at": ""} if subscription.get("cancel_at") else {}


def _now(subscription: Found, price: str) -> None:
    item = subscription["items"]["data"][0]["id"]
    # without the payment Stripe refuses and leaves everything as it was
    rules = {"proration_behavior": "always_invoice", "payment_behavior": "error_if_incomplete"}
    try:
        _update(subscription, {"items": [{"id": item, "price": price}], **rules, **_without_end(subscription)})
    except stripe.StripeError:
        if to_come := _to_come(subscription):  # its schedule was given up for this
            _later(subscription, to_come)
        raise


def _to_come(subscription: Found) -> str:
    """The price that a schedule has for the next period; "" without one."""
    schedule = subscription.get("schedule")
    if not isinstance(schedule, dict):
        return ""
    end = (schedule.get("current_phase") or {}).get("end_date")
    later = [one for one in schedule["phases"] if end is not None and one["start_date"] >= end]
    return id_of(later[0]["items"][0]["price"]) if later else ""


def _later(subscription: Found, price: str) -> None:
    """A schedule of two phases: as it is until the period ends, then the other price, then on its own again."""
    schedules = stripe_client().v1.subscription_schedules
    made = plain(schedules.create({"from_subscription": subscription["id"]}))
    now = made["phases"][0]
    kept = [{"discount": one["discount"]} for one in now.get("discounts") or [] if one.get("discount")]
    shared: dict[str, Any] = {"discounts": kept} if kept else {}
    items = [{"price": id_of(one["price"]), "quantity": one["quantity"]} for one in now["items"]]
    phases: Any = [
        {"items": items, "start_date": now["start_date"], "end_date": now["end_date"], **shared},
        {
            "items": [{"price": price, "quantity": 1}],
            "start_date": now["end_date"],
            "duration": {"interval": "month", "interval_count": 1},
            "proration_behavior": "none",
            **shared,
        },
    ]
    schedules.update(made["id"], {"end_behavior": "release", "phases": phases, "proration_behavior": "none"})


def _update(subscription: Found, params: Any) -> None:
    stripe_client().v1.subscriptions.update(subscription["id"], params)


def _trail(user: User, verb: str, **detail: str) -> AuditEntry:
    log.info("subscription_changed", verb=verb, user=str(user.public_id))
    return audit.record(actor=user, verb=verb, target_kind="user", target=user.public_id, detail=detail)


def _tell(user: User, key: str, was: Found, mine: Plan | None, wanted: Plan | None) -> None:
    """Of a smaller plan that is to come, or was. Of a plan that begins and of an end the settling tells."""
    _begins, day = period_of(was)
    if mine is None or wanted is None:
        return
    if wanted == mine and _to_come(was):
        notices.plan_goes_on(user=user, key=key, plan=mine.name)
    elif wanted != mine and wanted.cents_a_month <= mine.cents_a_month and day is not None:
        notices.plan_comes(user=user, key=key, plan=wanted.name, day=day)
