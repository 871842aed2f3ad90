"""Subscriptions: begun, changed, paused, cancelled, renewed. `due.py` calls what time brings about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from config.stack.stripe_double.clock import HOUR
from config.stack.stripe_double.engine import drafts, invoicing
from config.stack.stripe_double.engine.periods import period_after
from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World, listing

_FIRST_PAYMENT_WITHIN = 23 * HOUR
ENDED = ("canceled", "incomplete_expired")


@dataclass
class Order:
    """What somebody subscribes to."""

    customer: Thing
    items: list[tuple[Thing, int]]  # price and quantity
    metadata: dict[str, str] = field(default_factory=dict)
    description: str | None = None
    trial_end: int | None = None
    method: Thing | None = None
    discounts: list[str] = field(default_factory=list)
    taxed: bool = False
    anchor: int | None = None
    without_method: str = "create_invoice"  # what a trial's end does then
    proration_discounts: str = "included"


def begin(world: World, order: Order, *, present: bool, waits: bool = False) -> Thing:
    """Subscribe and ask for the first payment. `waits` leaves that payment to the person (default_incomplete)."""
    now = world.now()
    subscription = _make(world, order)
    world.store.add(subscription)
    for discount in order.discounts:
        world.store.get("discount", discount)["subscription"] = subscription["id"]
    world.emit("customer.subscription.created", subscription)
    trial = subscription["status"] == "trialing"
    lines = lines_for_period(world, subscription, free=trial)
    invoice = bill(world, subscription, lines, reason="subscription_create")
    waits = waits and invoice["amount_due"] > 0
    paid = not waits and invoicing.collect(world, invoice, method=order.method, present=present)
    if paid and not trial:
        with world.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "active"
    if not paid:
        world.store.behind_of(subscription["id"])["incomplete_until"] = now + _FIRST_PAYMENT_WITHIN
    return subscription


def _make(world: World, order: Order) -> Thing:
    now = world.now()
    subscription_id = new_id("sub")
    trial = order.trial_end is not None and order.trial_end > now
    first = order.items[0][0]
    recurring = first["recurring"]
    anchor = order.trial_end if trial and order.trial_end else order.anchor or now
    end = anchor if anchor > now else period_after(now, recurring, anchor=anchor)
    items = [_item(world, subscription_id, price, quantity, now, end) for price, quantity in order.items]
    return {
        "id": subscription_id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": order.taxed,
            "liability": {"type": "self"} if order.taxed else None,
        },
        "billing_cycle_anchor": anchor,
        "billing_cycle_anchor_config": None,
        "billing_mode": {
            "flexible": {"proration_discounts": order.proration_discounts},
            "type": "flexible",
            "updated_at": None,
        },
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": first["currency"],
        "customer": order.customer["id"],
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": order.method["id"] if order.method else None,
        "default_source": None,
        "default_tax_rates": [],
        "description": order.description,
        "discounts": list(order.discounts),
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": listing(f"/v1/subscription_items?subscription={subscription_id}", items),
        "latest_invoice": None,
        "livemode": False,
        "metadata": dict(order.metadata),
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": "trialing" if trial else "incomplete",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": order.trial_end if trial else None,
        "trial_settings": {"end_behavior": {"missing_payment_method": order.without_method}},
        "trial_start": now if trial else None,
    }


def _item(world: World, subscription_id: str, price: Thing, quantity: int, start: int, end: int) -> Thing:
    return {
        "id": new_id("si"),
        "object": "subscription_item",
        "billed_until": end,
        "billing_thresholds": None,
        "created": world.now(),
        "current_period_end": end,
        "current_period_start": start,
        "discounts": [],
        "metadata": {},
        "price": price["id"],
        "quantity": quantity,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def items_of(subscription: Thing) -> list[Thing]:
    items: list[Thing] = subscription["items"]["data"]
    return items


def period_of(subscription: Thing) -> tuple[int, int]:
    first = items_of(subscription)[0]
    return first["current_period_start"], first["current_period_end"]


def set_period(subscription: Thing, start: int, end: int) -> None:
    for item in items_of(subscription):
        item.update(current_period_start=start, current_period_end=end, billed_until=end)


def lines_for_period(world: World, subscription: Thing, *, free: bool = False) -> list[Thing]:
    """What the current period costs."""
    start, end = period_of(subscription)
    lines = []
    for item in items_of(subscription):
        price = world.store.get("price", item["price"])
        name = world.store.get("product", price["product"])["name"]
        each = f"(at ${price['unit_amount'] / 100:.2f} / {price['recurring']['interval']})"
        lines.append(
            drafts.line(
                world,
                price,
                amount=0 if free else price["unit_amount"] * item["quantity"],
                start=start,
                end=end,
                subscription=subscription,
                item=item["id"],
                quantity=item["quantity"],
                description=f"Trial period for {name}" if free else f"{item['quantity']} × {name} {each}",
            )
        )
    return lines


def bill(
    world: World, subscription: Thing, lines: Sequence[Thing], *, reason: str, draft_for: int | None = None
) -> Thing:
    """An invoice of this subscription, with what waited for the next one; finalized unless it stays a draft a while."""
    behind = world.store.behind_of(subscription["id"])
    customer = world.store.get("customer", subscription["customer"])
    waiting = behind.pop("pending_lines", [])
    invoice = drafts.make_invoice(
        world,
        customer,
        [*waiting, *lines],
        reason=reason,
        currency=subscription["currency"],
        subscription=subscription,
        discounts=running_discounts(world, subscription),
        taxed=subscription["automatic_tax"]["enabled"],
    )
    subscription["latest_invoice"] = invoice["id"]
    if draft_for is None:
        invoicing.finalize(world, invoice)
    else:
        invoice["automatically_finalizes_at"] = world.now() + draft_for
    return invoice


def running_discounts(world: World, subscription: Thing) -> list[str]:
    """The discounts that still hold; what holds once is gone after its first invoice."""
    running = []
    for discount_id in subscription["discounts"]:
        discount = world.store.get("discount", discount_id)
        once = world.store.get("coupon", discount["source"]["coupon"])["duration"] == "once"
        used = world.store.behind_of(discount_id).get("used")
        if (once and used) or (discount["end"] is not None and discount["end"] <= world.now()):
            continue
        world.store.behind_of(discount_id)["used"] = True
        running.append(discount_id)
    return running


def paid_up(world: World, subscription: Thing, invoice: Thing) -> None:
    """An invoice was paid: what waited for it goes on."""
    if (
        subscription["status"] in ("incomplete", "past_due", "unpaid")
        and invoice["id"] == subscription["latest_invoice"]
    ):
        with world.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "active"


def fell_behind(world: World, subscription: Thing, invoice: Thing) -> None:
    """A payment failed: past due while it is tried again, then what the settings say."""
    if subscription["status"] in ("active", "trialing"):
        with world.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "past_due"
    given_up = invoice["next_payment_attempt"] is None and invoice["billing_reason"] == "subscription_cycle"
    if not given_up or subscription["status"] != "past_due":
        return
    if world.settings.after_retries == "cancel":
        end_now(world, subscription, reason="payment_failed")
    elif world.settings.after_retries == "unpaid":
        with world.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "unpaid"


def collect_and_follow(world: World, invoice: Thing, *, method: Thing | None = None, present: bool = False) -> bool:
    """Try an invoice's payment, and let its subscription follow."""
    paid = invoicing.collect(world, invoice, method=method, present=present)
    subscription = invoicing.subscription_of(world, invoice)
    if subscription is not None and subscription["status"] not in ENDED:
        (paid_up if paid else fell_behind)(world, subscription, invoice)
    return paid


def cancel_at_end(world: World, subscription: Thing, *, by_portal: bool = False) -> None:
    """It ends with the paid period. The portal only sets the moment, as Stripe's does in flexible billing mode."""
    subscription["cancel_at"] = period_of(subscription)[1]
    subscription["cancel_at_period_end"] = not by_portal
    subscription["canceled_at"] = world.now()
    subscription["cancellation_details"]["reason"] = "cancellation_requested"


def keep_on(subscription: Thing) -> None:
    subscription.update(cancel_at=None, cancel_at_period_end=False, canceled_at=None)
    subscription["cancellation_details"] = {"comment": None, "feedback": None, "reason": None}


def end_now(world: World, subscription: Thing, *, reason: str) -> None:
    if subscription["status"] in ENDED:
        raise ApiError(f"No such subscription: '{subscription['id']}'", status=404, code="resource_missing", param="id")
    now = world.now()
    subscription.update(status="canceled", ended_at=now, canceled_at=subscription["canceled_at"] or now)
    subscription["cancellation_details"]["reason"] = subscription["cancellation_details"]["reason"] or reason
    schedule = world.store.find(subscription["schedule"]) if subscription["schedule"] else None
    if schedule is not None:
        schedule.update(status="canceled", canceled_at=now, current_phase=None)
        world.emit("subscription_schedule.canceled", schedule)
    for invoice in world.store.all("invoice"):
        if invoicing.subscription_of(world, invoice) is subscription and invoice["status"] in ("draft", "open"):
            invoice.update(auto_advance=False, next_payment_attempt=None, automatically_finalizes_at=None)
    world.emit("customer.subscription.deleted", subscription)
