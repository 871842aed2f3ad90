"""Checkout sessions."""

from __future__ import annotations

from config.stack.stripe_double.api.catalogue import price_from_data
from config.stack.stripe_double.api.router import filtered, page, route
from config.stack.stripe_double.clock import DAY, HOUR
from config.stack.stripe_double.engine import checkout
from config.stack.stripe_double.engine.discounts import coupon_for
from config.stack.stripe_double.errors import ApiError, invalid, required
from config.stack.stripe_double.expanding import session_lines
from config.stack.stripe_double.params import Params
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World

# kept and shown again; the double's page does not act on them
_KEPT = (
    "billing_address_collection", "consent_collection", "custom_text", "customer_update", "locale",
    "origin_context", "payment_method_configuration", "payment_method_options", "phone_number_collection",
    "saved_payment_method_options", "shipping_address_collection", "submit_type", "tax_id_collection",
    "adaptive_pricing", "name_collection", "custom_fields", "branding_settings",
)  # fmt: skip
_SHOWN = ("billing_address_collection", "consent_collection", "locale", "origin_context", "submit_type")


@route("POST", "/v1/checkout/sessions")
def create_session(world: World, params: Params) -> Thing:
    mode = params.one_of("mode", "payment", "subscription", default=params.need("mode"))
    given = {name: params.text(name) for name in ("customer", "customer_email", "client_reference_id", "cancel_url")}
    success_url = params.need("success_url")
    kept = {name: params.plain(name) for name in _KEPT}
    session = _blank(world, mode, {**given, "success_url": success_url})
    session.update({name: kept[name] for name in _SHOWN if kept[name] is not None}, metadata=params.metadata())
    session["automatic_tax"] = _tax(params.inside("automatic_tax"))
    session["customer_creation"] = _creation(params, mode, given["customer"])
    session["expires_at"] = _expiry(world, params)
    session["payment_method_types"] = params.texts("payment_method_types") or ["card"]
    session["payment_method_collection"] = (
        params.one_of("payment_method_collection", "always", "if_required", default="always")
        if mode == "subscription"
        else "if_required"
    )
    session["invoice_creation"] = _invoice_creation(params, mode)
    params.one_of("ui_mode", "hosted_page", default="hosted_page")
    behind = {"intent": {}, "subscription": {}, **_data_of(params, mode)}
    _discounts(world, params, session)
    lines = _lines(world, params, mode, session["id"])
    params.end()
    if given["customer"] is not None:
        world.store.get("customer", given["customer"], param="customer")
        if given["customer_email"] is not None:
            raise ApiError("You may only specify one of these parameters: customer, customer_email.", param="customer")
    elif "customer_update" in params:
        raise invalid("customer_update", "`customer_update` can only be used with `customer`.")
    session["currency"] = world.store.get("price", lines[0]["price"])["currency"]
    for line in lines:
        line["currency"] = session["currency"]
    world.store.add(session)
    world.store.behind_of(session["id"]).update(behind, lines=lines)
    checkout.add_up(world, session)
    return session


def _blank(world: World, mode: str, given: Thing) -> Thing:
    session_id = f"cs_test_{new_id('x', 58)[2:]}"
    return {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": 0,
        "amount_total": 0,
        "billing_address_collection": None,
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": world.now(),
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer_account": None,
        "customer_details": None,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "locale": None,
        "mode": mode,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "total_details": None,
        "ui_mode": "hosted_page",
        "url": f"{world.base_url}/c/pay/{session_id}",
        "wallet_options": None,
        **given,
    }


def _tax(level: Params) -> Thing:
    enabled = level.flag("enabled")
    return {
        "enabled": enabled,
        "liability": {"type": "self"} if enabled else None,
        "provider": "stripe" if enabled else None,
        "status": "requires_location_inputs" if enabled else None,
    }


def _creation(params: Params, mode: str, customer: str | None) -> str | None:
    if mode == "subscription":
        if "customer_creation" in params:
            raise invalid("customer_creation", "`customer_creation` can only be used in `payment` and `setup` mode.")
        return None if customer else "always"
    wanted = params.one_of("customer_creation", "always", "if_required", default="if_required")
    return None if customer else wanted


def _expiry(world: World, params: Params) -> int:
    """When it closes. Who asks may live in the machine's time while the double's is moved: then that is meant."""
    asked = params.number("expires_at")
    if asked is None:
        return world.now() + DAY
    for moment in (asked, asked + world.clock.ahead):
        if HOUR // 2 <= moment - world.now() <= DAY:
            return moment
    raise invalid(
        "expires_at",
        "The `expires_at` timestamp must be at least 30 minutes and less than 24 hours from Checkout Session creation.",
    )


def _invoice_creation(params: Params, mode: str) -> Thing | None:
    if mode == "subscription":
        if "invoice_creation" in params:
            raise invalid("invoice_creation", "You can only enable invoice creation when `mode` is set to `payment`.")
        return None
    level = params.inside("invoice_creation")
    data = level.inside("invoice_data")
    return {
        "enabled": level.flag("enabled"),
        "invoice_data": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": data.text("description"),
            "footer": data.text("footer"),
            "issuer": None,
            "metadata": data.metadata(),
            "rendering_options": None,
        },
    }


def _data_of(params: Params, mode: str) -> Thing:
    """What the session hands on to the payment intent or the subscription that it makes."""
    if mode == "payment":
        if "subscription_data" in params:
            raise invalid("subscription_data", "You can not pass `subscription_data` in `payment` mode.")
        level = params.inside("payment_intent_data")
        future = level.text("setup_future_usage")
        intent = {name: level.text(name) for name in ("description", "receipt_email", "statement_descriptor")}
        return {"intent": {**intent, "metadata": level.metadata()}, "setup_future_usage": future}
    if "payment_intent_data" in params:
        raise invalid("payment_intent_data", "You can not pass `payment_intent_data` in `subscription` mode.")
    level = params.inside("subscription_data")
    trial, metadata = level.number("trial_period_days", least=1), level.metadata()
    level.plain("trial_settings")
    billing = level.inside("billing_mode")
    billing.one_of("type", "classic", "flexible", default="flexible")
    shown = billing.inside("flexible").one_of("proration_discounts", "included", "itemized", default="included")
    subscription = {"metadata": metadata, "description": level.text("description"), "proration_discounts": shown}
    return {"subscription": subscription, "trial_days": trial}


def _discounts(world: World, params: Params, session: Thing) -> None:
    codes_allowed = params.flag("allow_promotion_codes")
    for level in params.each("discounts"):
        if codes_allowed:
            raise ApiError("You may only specify one of these parameters: allow_promotion_codes, discounts.")
        coupon, code = level.text("coupon"), level.text("promotion_code")
        coupon_for(world, coupon=coupon, promotion_code=code)
        session["discounts"].append({"coupon": coupon, "promotion_code": code})
    if "allow_promotion_codes" in params:
        session["allow_promotion_codes"] = codes_allowed


def _lines(world: World, params: Params, mode: str, session_id: str) -> list[Thing]:
    lines = []
    for index, level in enumerate(params.each("line_items")):
        price = _price_of_line(world, level, index)
        quantity = level.number("quantity", least=1)
        level.plain("adjustable_quantity")
        if quantity is None:
            raise ApiError("Quantity is required. Add `quantity` to `line_items[0]`.", param=f"line_items[{index}]")
        if mode == "payment" and price["recurring"] is not None:
            raise ApiError(
                "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or "
                "use only one-time prices.",
                param="mode",
            )
        name = world.store.get("product", price["product"])["name"]
        lines.append(
            {
                "id": new_id("li"),
                "object": "item",
                "adjustable_quantity": None,
                "amount_discount": 0,
                "amount_subtotal": 0,
                "amount_tax": 0,
                "amount_total": 0,
                "currency": price["currency"],
                "description": name,
                "metadata": {},
                "price": price["id"],
                "quantity": quantity,
            }
        )
    if not lines:
        raise required("line_items")
    recurring = [world.store.get("price", line["price"])["recurring"] for line in lines]
    if mode == "subscription" and not any(recurring):
        raise ApiError("You must provide at least one recurring price in `subscription` mode.", param="mode")
    if mode == "subscription" and not all(recurring):
        raise ApiError("The double sells recurring prices alone in `subscription` mode.", param="line_items")
    return lines


def _price_of_line(world: World, level: Params, index: int) -> Thing:
    if "price_data" in level:
        return price_from_data(world, level.inside("price_data"))
    price = world.store.get("price", level.need("price"), param=f"line_items[{index}][price]")
    if not price["active"]:
        raise ApiError(
            f"The price specified is inactive. This field only accepts active prices. Price: {price['id']}",
            param=f"line_items[{index}][price]",
        )
    return price


@route("GET", "/v1/checkout/sessions/{}")
def get_session(world: World, params: Params, session_id: str) -> Thing:
    params.end()
    return world.store.get("checkout.session", session_id)


@route("POST", "/v1/checkout/sessions/{}")
def update_session(world: World, params: Params, session_id: str) -> Thing:
    session = world.store.get("checkout.session", session_id)
    metadata = params.metadata(session["metadata"])
    params.end()
    session["metadata"] = metadata
    return session


@route("GET", "/v1/checkout/sessions")
def list_sessions(world: World, params: Params) -> Thing:
    names = ("customer", "payment_intent", "subscription", "status", "payment_link")
    found = filtered(world, params, "checkout.session", *names)
    email = params.inside("customer_details").text("email")
    if email:
        found = [session for session in found if (session["customer_details"] or {}).get("email") == email]
    return page(world, params, "/v1/checkout/sessions", found)


@route("GET", "/v1/checkout/sessions/{}/line_items")
def list_session_lines(world: World, params: Params, session_id: str) -> Thing:
    lines = session_lines(world, world.store.get("checkout.session", session_id))
    return page(world, params, f"/v1/checkout/sessions/{session_id}/line_items", lines, oldest_first=True, dated=False)


@route("POST", "/v1/checkout/sessions/{}/expire")
def expire_session(world: World, params: Params, session_id: str) -> Thing:
    params.end()
    session = world.store.get("checkout.session", session_id)
    if session["status"] != "open":
        raise ApiError(
            f'Only Checkout Sessions with a status in ["open"] can be expired. '
            f'This Checkout Session has a status of "{session["status"]}".'
        )
    checkout.expire(world, session)
    return session
