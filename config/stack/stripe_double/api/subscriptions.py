"""Subscriptions and their items."""

from __future__ import annotations

from config.stack.stripe_double.api.catalogue import price_from_data
from config.stack.stripe_double.api.router import filtered, page, route
from config.stack.stripe_double.clock import DAY
from config.stack.stripe_double.engine import changing, renewing, subscriptions
from config.stack.stripe_double.engine.discounts import coupon_for, redeem
from config.stack.stripe_double.errors import ApiError, invalid, missing, required
from config.stack.stripe_double.params import Params
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World

_BEHAVIORS = ("allow_incomplete", "error_if_incomplete", "default_incomplete")
_PRORATIONS = ("create_prorations", "always_invoice", "none")


@route("POST", "/v1/subscriptions")
def create_subscription(world: World, params: Params) -> Thing:
    customer = world.store.get("customer", params.need("customer"), param="customer")
    items = [_new_item(world, level) for level in params.each("items")]
    method, description = params.text("default_payment_method"), params.text("description")
    trial_days, trial_end = params.number("trial_period_days", least=1), params.number("trial_end")
    behavior = params.one_of("payment_behavior", *_BEHAVIORS, default="allow_incomplete")
    params.one_of("proration_behavior", *_PRORATIONS, default="create_prorations")
    off_session, taxed = params.flag("off_session"), params.inside("automatic_tax").flag("enabled")
    anchor, metadata, settings = (
        params.number("billing_cycle_anchor"),
        params.metadata(),
        params.plain("payment_settings"),
    )
    without = params.inside("trial_settings").inside("end_behavior").text("missing_payment_method")
    coupons = _coupons(world, params)
    at_end, cancel_at = params.flag("cancel_at_period_end"), params.number("cancel_at")
    params.plain("billing_mode")
    params.end()
    if not items:
        raise required("items")
    order = subscriptions.Order(
        customer=customer,
        items=items,
        metadata=metadata,
        description=description,
        trial_end=trial_end or (world.now() + trial_days * DAY if trial_days else None),
        method=world.store.get("payment_method", method, param="default_payment_method") if method else None,
        taxed=taxed,
        anchor=anchor,
        without_method=without or "create_invoice",
    )
    if behavior == "error_if_incomplete" and order.trial_end is None:
        changing.refuse_what_would_fail(world, customer, method)
    order.discounts = [redeem(world, *coupon, customer=customer["id"])["id"] for coupon in coupons]
    subscription = subscriptions.begin(world, order, present=not off_session, waits=behavior == "default_incomplete")
    if settings:
        subscription["payment_settings"].update(settings)
    if at_end:
        subscriptions.cancel_at_end(world, subscription)
    if cancel_at:
        subscription["cancel_at"] = cancel_at
    return subscription


def _new_item(world: World, level: Params) -> tuple[Thing, int]:
    quantity = level.number("quantity", 1, least=0)
    level.metadata()
    if "price_data" in level:
        return price_from_data(world, level.inside("price_data"), need_recurring=True), quantity or 0
    return recurring_price(world, level), quantity or 0


def recurring_price(world: World, level: Params) -> Thing:
    """The active, recurring price that a level names."""
    price = world.store.get("price", level.need("price"), param=level.name_of("price"))
    if price["recurring"] is None:
        raise invalid(
            level.name_of("price"),
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
        )
    if not price["active"]:
        raise invalid(level.name_of("price"), "The price specified is inactive. This field only accepts active prices.")
    return price


def _coupons(world: World, params: Params) -> list[tuple[Thing, Thing | None]]:
    found = []
    for level in params.each("discounts"):
        found.append(coupon_for(world, coupon=level.text("coupon"), promotion_code=level.text("promotion_code")))
    return found


@route("GET", "/v1/subscriptions/{}")
def get_subscription(world: World, params: Params, subscription_id: str) -> Thing:
    params.end()
    return world.store.get("subscription", subscription_id)


@route("GET", "/v1/subscriptions")
def list_subscriptions(world: World, params: Params) -> Thing:
    """Without `status` all but the canceled ones, as Stripe does."""
    status, price = params.text("status"), params.text("price")
    found = filtered(world, params, "subscription", "customer", "test_clock")
    if status == "ended":
        found = [one for one in found if one["status"] in subscriptions.ENDED]
    elif status is None:
        found = [one for one in found if one["status"] != "canceled"]
    elif status != "all":
        found = [one for one in found if one["status"] == status]
    if price is not None:
        found = [one for one in found if any(item["price"] == price for item in subscriptions.items_of(one))]
    return page(world, params, "/v1/subscriptions", found)


@route("DELETE", "/v1/subscriptions/{}")
def cancel_subscription(world: World, params: Params, subscription_id: str) -> Thing:
    details = params.inside("cancellation_details")
    comment, feedback = details.text("comment"), details.text("feedback")
    invoice_now, prorate = params.flag("invoice_now"), params.flag("prorate")
    params.end()
    subscription = world.store.get("subscription", subscription_id)
    if subscription["status"] in subscriptions.ENDED:
        raise missing("subscription", subscription_id, status=404)
    if invoice_now or prorate:
        raise ApiError("The double ends a subscription without a last invoice.", param="invoice_now")
    subscription["cancellation_details"].update(comment=comment, feedback=feedback)
    subscriptions.end_now(world, subscription, reason="cancellation_requested")
    return subscription


@route("POST", "/v1/subscriptions/{}")
def update_subscription(world: World, params: Params, subscription_id: str) -> Thing:
    subscription = world.store.get("subscription", subscription_id)
    changes = _changes(world, params, subscription)
    prorate = params.one_of("proration_behavior", *_PRORATIONS, default="create_prorations")
    behavior = params.one_of("payment_behavior", *_BEHAVIORS, default="allow_incomplete")
    at, anchor = params.number("proration_date"), params.text("billing_cycle_anchor")
    given = _simple_changes(world, params, subscription)
    details = params.inside("cancellation_details")
    told = {name: details.text(name) for name in ("comment", "feedback") if name in details}
    at_end = params.flag("cancel_at_period_end") if "cancel_at_period_end" in params else None
    cancel_at = params.text("cancel_at") if "cancel_at" in params else "unchanged"
    trial_end = params.text("trial_end")
    metadata = params.metadata(subscription["metadata"])
    coupons = _coupons(world, params) if "discounts" in params else None
    params.flag("off_session")
    params.end()
    if changes or given or at_end is not None or trial_end:
        changing.check(subscription)
    if subscription["schedule"] is not None and (at_end is not None or cancel_at != "unchanged"):
        raise ApiError(
            f"The subscription is managed by the subscription schedule `{subscription['schedule']}`, and updating any "
            "cancelation behavior directly is not allowed. Please update the schedule instead."
        )
    with world.changing(subscription, "customer.subscription.updated"):
        subscription.update(given, metadata=metadata)
        if told:
            subscription["cancellation_details"].update(told)
        if coupons is not None:
            made = [redeem(world, *c, customer=subscription["customer"], subscription=subscription_id) for c in coupons]
            subscription["discounts"] = [discount["id"] for discount in made]
        for change in changes:
            changing.apply(world, subscription, change, prorate=prorate, behavior=behavior, at=at, anew=anchor == "now")
        _cancellation(world, subscription, at_end, cancel_at)
        if trial_end is not None:
            _move_trial(world, subscription, trial_end)
    return subscription


def _changes(world: World, params: Params, subscription: Thing) -> list[changing.Change]:
    found = []
    items = {item["id"]: item for item in subscriptions.items_of(subscription)}
    for level in params.each("items"):
        item_id = level.text("id")
        if item_id is None:
            raise ApiError("The double changes an item that is there: give its `id`.", param="items")
        if item_id not in items:
            raise missing("subscription_item", item_id, param=level.name_of("id"))
        item = items[item_id]
        price = recurring_price(world, level) if "price" in level else world.store.get("price", item["price"])
        quantity = level.number("quantity", item["quantity"], least=0)
        if price["id"] != item["price"] or quantity != item["quantity"]:
            found.append(changing.Change(item, price, quantity or 0))
    return found


def _simple_changes(world: World, params: Params, subscription: Thing) -> Thing:
    given: Thing = {}
    if "default_payment_method" in params:
        method = params.text("default_payment_method")
        if method is not None:
            world.store.get("payment_method", method, param="default_payment_method")
        given["default_payment_method"] = method
    if "description" in params:
        given["description"] = params.text("description")
    if "automatic_tax" in params:
        enabled = params.inside("automatic_tax").flag("enabled")
        given["automatic_tax"] = {
            "disabled_reason": None,
            "enabled": enabled,
            "liability": {"type": "self"} if enabled else None,
        }
    if "pause_collection" in params:
        level = params.inside("pause_collection")
        behavior = level.text("behavior")
        resumes = level.number("resumes_at")
        given["pause_collection"] = {"behavior": behavior, "resumes_at": resumes} if behavior else None
    if "payment_settings" in params:
        given["payment_settings"] = {**subscription["payment_settings"], **(params.plain("payment_settings") or {})}
    if "trial_settings" in params:
        given["trial_settings"] = params.plain("trial_settings")
    return given


def _cancellation(world: World, subscription: Thing, at_end: bool | None, cancel_at: str | None) -> None:
    if at_end is True:
        subscriptions.cancel_at_end(world, subscription)
    elif at_end is False or cancel_at is None:
        subscriptions.keep_on(subscription)
    elif cancel_at in ("min_period_end", "max_period_end"):
        subscriptions.cancel_at_end(world, subscription, by_portal=True)
    elif cancel_at != "unchanged":
        subscriptions.cancel_at_end(world, subscription, by_portal=True)
        subscription["cancel_at"] = int(cancel_at)


def _move_trial(world: World, subscription: Thing, trial_end: str) -> None:
    if subscription["status"] != "trialing":
        raise invalid("trial_end", "The double moves the end of a trial that is running.")
    moment = world.now() if trial_end == "now" else int(trial_end)
    start = subscriptions.period_of(subscription)[0]
    subscription.update(trial_end=moment, billing_cycle_anchor=moment)
    subscriptions.set_period(subscription, start, moment)


@route("POST", "/v1/subscriptions/{}/resume")
def resume_subscription(world: World, params: Params, subscription_id: str) -> Thing:
    params.one_of("billing_cycle_anchor", "now", "unchanged", default="now")
    params.one_of("proration_behavior", *_PRORATIONS, default="create_prorations")
    params.end()
    subscription = world.store.get("subscription", subscription_id)
    if subscription["status"] != "paused":
        raise ApiError(f"Subscription is {subscription['status']}: only a paused one can be resumed.")
    renewing.resume(world, subscription)
    return subscription


@route("GET", "/v1/subscription_items")
def list_items(world: World, params: Params) -> Thing:
    subscription = world.store.get("subscription", params.need("subscription"), param="subscription")
    return page(
        world, params, "/v1/subscription_items", subscriptions.items_of(subscription), oldest_first=True, dated=False
    )


@route("GET", "/v1/subscription_items/{}")
def get_item(world: World, params: Params, item_id: str) -> Thing:
    params.end()
    for subscription in world.store.all("subscription"):
        for item in subscriptions.items_of(subscription):
            if item["id"] == item_id:
                return item
    raise missing("subscription_item", item_id, status=404)


@route("POST", "/v1/invoices/create_preview")
def preview_invoice(world: World, params: Params) -> Thing:
    subscription = world.store.get("subscription", params.need("subscription"), param="subscription")
    params.text("customer")
    level = params.inside("subscription_details")
    changes = _changes(world, level, subscription)
    prorate = level.one_of("proration_behavior", *_PRORATIONS, default="create_prorations")
    level.number("proration_date")
    params.end()
    return changing.preview(world, subscription, changes, prorate=prorate)
