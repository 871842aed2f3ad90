"""Subscription schedules, made from a running subscription."""

from __future__ import annotations

from config.stack.stripe_double.api.router import filtered, page, route
from config.stack.stripe_double.api.subscriptions import recurring_price
from config.stack.stripe_double.engine import schedules, subscriptions
from config.stack.stripe_double.errors import ApiError, invalid, required
from config.stack.stripe_double.params import Params
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World

_ENDS = ("release", "cancel")


@route("POST", "/v1/subscription_schedules")
def create_schedule(world: World, params: Params) -> Thing:
    source, metadata = params.text("from_subscription"), params.metadata()
    params.end()
    if source is None:
        raise ApiError("The double makes a schedule of a running subscription: give `from_subscription`.")
    subscription = world.store.get("subscription", source, param="from_subscription")
    if subscription["status"] in subscriptions.ENDED:
        raise ApiError(f"You cannot migrate a subscription that is {subscription['status']}.")
    schedule = schedules.take_over(world, subscription)
    schedule["metadata"] = metadata
    return schedule


@route("POST", "/v1/subscription_schedules/{}")
def update_schedule(world: World, params: Params, schedule_id: str) -> Thing:
    schedule = world.store.get("subscription_schedule", schedule_id)
    ends = params.one_of("end_behavior", *_ENDS, default=schedule["end_behavior"])
    prorate = params.one_of("proration_behavior", "create_prorations", "always_invoice", "none", default="none")
    metadata = params.metadata(schedule["metadata"])
    phases = _phases(world, params, schedule) if "phases" in params else schedule["phases"]
    params.end()
    if schedule["status"] != "active":
        raise ApiError(f"You cannot update a subscription schedule that is in the `{schedule['status']}` status.")
    now = next((one for one in phases if one["start_date"] <= world.now() < one["end_date"]), None)
    if now is None:
        raise invalid("phases", "The phases must include the one that is running now.")
    with world.changing(schedule, "subscription_schedule.updated"):
        schedule.update(end_behavior=ends, metadata=metadata, phases=phases)
        schedule["current_phase"] = {"end_date": now["end_date"], "start_date": now["start_date"]}
    subscription = world.store.get("subscription", schedule["subscription"])
    wanted = [(item["price"], item["quantity"]) for item in now["items"]]
    if wanted != [(item["price"], item["quantity"]) for item in subscriptions.items_of(subscription)]:
        raise ApiError(f"The double changes a subscription itself at once, not by a phase (asked: {prorate}).")
    return schedule


def _phases(world: World, params: Params, schedule: Thing) -> list[Thing]:
    made: list[Thing] = []
    for level in params.each("phases"):
        items = [
            {"price": recurring_price(world, item)["id"], "quantity": item.number("quantity", 1, least=1)}
            for item in level.each("items")
        ]
        if not items:
            raise required(level.name_of("items"))
        given = level.number("start_date")
        start = given if given is not None else made[-1]["end_date"] if made else schedule["phases"][0]["start_date"]
        duration = level.inside("duration")
        end, count = level.number("end_date"), duration.number("interval_count", 1, least=1)
        duration.text("interval")
        level.plain("trial")
        prorate = level.text("proration_behavior") or "create_prorations"
        metadata = level.metadata()
        first = world.store.get("price", items[0]["price"])
        end = end or schedules.end_of(start, first, count or 1)
        if made and start != made[-1]["end_date"]:
            raise invalid(level.name_of("start_date"), "Phases follow one another without a gap.")
        phase = schedules.phase(first["currency"], items, start=start, end=end, prorate=prorate)
        made.append({**phase, "metadata": metadata})
    return made


@route("POST", "/v1/subscription_schedules/{}/release")
def release_schedule(world: World, params: Params, schedule_id: str) -> Thing:
    params.flag("preserve_cancel_date")
    params.end()
    schedule = world.store.get("subscription_schedule", schedule_id)
    if schedule["subscription"] is None:
        raise ApiError(f"This schedule is {schedule['status']} already.")
    schedules.release(world, world.store.get("subscription", schedule["subscription"]), schedule)
    return schedule


@route("POST", "/v1/subscription_schedules/{}/cancel")
def cancel_schedule(world: World, params: Params, schedule_id: str) -> Thing:
    params.flag("invoice_now")
    params.flag("prorate")
    params.end()
    schedule = world.store.get("subscription_schedule", schedule_id)
    if schedule["status"] != "active":
        raise ApiError(f"This schedule is {schedule['status']} already.")
    subscription = world.store.get("subscription", schedule["subscription"])
    subscriptions.end_now(world, subscription, reason="cancellation_requested")
    return schedule


@route("GET", "/v1/subscription_schedules/{}")
def get_schedule(world: World, params: Params, schedule_id: str) -> Thing:
    params.end()
    return world.store.get("subscription_schedule", schedule_id)


@route("GET", "/v1/subscription_schedules")
def list_schedules(world: World, params: Params) -> Thing:
    found = filtered(world, params, "subscription_schedule", "customer")
    return page(world, params, "/v1/subscription_schedules", found)
