"""Subscription schedules: phases that change what is subscribed when a period ends."""

from __future__ import annotations

from config.stack.stripe_double.engine.periods import period_after
from config.stack.stripe_double.engine.subscriptions import items_of, period_of
from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World


def take_over(world: World, subscription: Thing) -> Thing:
    """A schedule whose only phase is what the subscription does now."""
    if subscription["schedule"] is not None:
        raise ApiError("You cannot migrate a subscription that is already attached to a schedule.")
    start, end = period_of(subscription)
    items = [{"price": item["price"], "quantity": item["quantity"]} for item in items_of(subscription)]
    schedule: Thing = {
        "id": new_id("sub_sched"),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": dict(subscription["billing_mode"]),
        "canceled_at": None,
        "completed_at": None,
        "created": world.now(),
        "current_phase": {"end_date": end, "start_date": start},
        "customer": subscription["customer"],
        "customer_account": None,
        "default_settings": {
            "application_fee_percent": None,
            "automatic_tax": dict(subscription["automatic_tax"]),
            "billing_cycle_anchor": "automatic",
            "billing_thresholds": None,
            "collection_method": "charge_automatically",
            "default_payment_method": subscription["default_payment_method"],
            "description": None,
            "invoice_settings": {
                "account_tax_ids": None,
                "custom_fields": None,
                "days_until_due": None,
                "description": None,
                "footer": None,
                "issuer": {"type": "self"},
            },
            "on_behalf_of": None,
            "transfer_data": None,
        },
        "end_behavior": "release",
        "livemode": False,
        "metadata": {},
        "phases": [phase(subscription["currency"], items, start=start, end=end)],
        "released_at": None,
        "released_subscription": None,
        "status": "active",
        "subscription": subscription["id"],
        "test_clock": None,
    }
    subscription["schedule"] = schedule["id"]
    world.store.add(schedule)
    world.emit("subscription_schedule.created", schedule)
    return schedule


def phase(currency: str, items: list[Thing], *, start: int, end: int, prorate: str = "create_prorations") -> Thing:
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": currency,
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "end_date": end,
        "invoice_settings": None,
        "items": [
            {
                "billing_thresholds": None,
                "discounts": [],
                "metadata": {},
                "plan": item["price"],
                "price": item["price"],
                "quantity": item["quantity"],
                "tax_rates": [],
            }
            for item in items
        ],
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": prorate,
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
    }


def running(world: World, subscription: Thing) -> Thing | None:
    return world.store.find(subscription["schedule"]) if subscription["schedule"] else None


def turn(world: World, subscription: Thing, schedule: Thing) -> None:
    """A phase is over: the next one's items are subscribed, or the schedule has done its work."""
    over = schedule["current_phase"]["end_date"]
    following = next((one for one in schedule["phases"] if one["start_date"] >= over), None)
    if following is None:
        release(world, subscription, schedule)
        return
    with world.changing(subscription, "customer.subscription.updated"):
        for item, wanted in zip(items_of(subscription), following["items"], strict=False):
            item.update(price=wanted["price"], quantity=wanted["quantity"])
    with world.changing(schedule, "subscription_schedule.updated"):
        schedule["current_phase"] = {"end_date": following["end_date"], "start_date": following["start_date"]}


def release(world: World, subscription: Thing, schedule: Thing) -> None:
    """The subscription goes on by itself, as it is now."""
    if schedule["status"] != "active":
        raise ApiError(
            f"You cannot release a subscription schedule that is currently in the `{schedule['status']}` status."
        )
    schedule.update(
        status="released",
        released_at=world.now(),
        released_subscription=subscription["id"],
        subscription=None,
        current_phase=None,
    )
    with world.changing(subscription, "customer.subscription.updated"):
        subscription["schedule"] = None
    world.emit("subscription_schedule.released", schedule)


def end_of(phase_start: int, price: Thing, count: int) -> int:
    """The end of a phase that lasts `count` periods of a price."""
    end = phase_start
    for _ in range(count):
        end = period_after(end, price["recurring"], anchor=phase_start)
    return end
