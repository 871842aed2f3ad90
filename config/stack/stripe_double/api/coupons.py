"""Coupons, promotion codes, and the one tax rate."""

from __future__ import annotations

from config.stack.stripe_double.api.router import filtered, page, route
from config.stack.stripe_double.errors import ApiError, required
from config.stack.stripe_double.params import Params
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World


@route("POST", "/v1/coupons")
def create_coupon(world: World, params: Params) -> Thing:
    percent, amount = params.decimal("percent_off"), params.number("amount_off", least=1)
    currency, name, coupon_id = params.text("currency"), params.text("name"), params.text("id")
    duration = params.one_of("duration", "once", "forever", "repeating", default="once")
    months, most = params.number("duration_in_months", least=1), params.number("max_redemptions", least=1)
    redeem_by, metadata = params.number("redeem_by"), params.metadata()
    products = params.inside("applies_to").texts("products")
    params.end()
    if (percent is None) == (amount is None):
        raise ApiError("Must provide either percent_off or amount_off.", param="percent_off")
    if amount is not None and currency is None:
        raise required("currency")
    if duration == "repeating" and months is None:
        raise required("duration_in_months")
    coupon = world.store.add(
        {
            "id": coupon_id or new_id("x", 8)[2:],
            "object": "coupon",
            "amount_off": amount,
            "created": world.now(),
            "currency": currency,
            "duration": duration,
            "duration_in_months": months if duration == "repeating" else None,
            "livemode": False,
            "max_redemptions": most,
            "metadata": metadata,
            "name": name,
            "percent_off": percent,
            "redeem_by": redeem_by,
            "times_redeemed": 0,
            "valid": True,
        }
    )
    world.store.behind_of(coupon["id"])["products"] = products
    world.emit("coupon.created", coupon)
    return coupon


@route("GET", "/v1/coupons/{}")
def get_coupon(world: World, params: Params, coupon_id: str) -> Thing:
    params.end()
    return world.store.get("coupon", coupon_id)


@route("DELETE", "/v1/coupons/{}")
def delete_coupon(world: World, params: Params, coupon_id: str) -> Thing:
    params.end()
    coupon = world.store.get("coupon", coupon_id)
    for code in world.store.all("promotion_code"):
        if code["promotion"]["coupon"] == coupon_id:
            code["active"] = False
    coupon["valid"] = False
    world.emit("coupon.deleted", coupon)
    return {"id": coupon_id, "object": "coupon", "deleted": True}


@route("GET", "/v1/coupons")
def list_coupons(world: World, params: Params) -> Thing:
    return page(world, params, "/v1/coupons", world.store.all("coupon"))


@route("POST", "/v1/promotion_codes")
def create_code(world: World, params: Params) -> Thing:
    promotion = params.inside("promotion")
    promotion.one_of("type", "coupon", default="coupon")
    coupon, typed = promotion.need("coupon"), params.text("code") or new_id("x", 8)[2:].upper()
    active, expires, most = params.flag("active", True), params.number("expires_at"), params.number("max_redemptions")
    customer, metadata = params.text("customer"), params.metadata()
    params.end()
    world.store.get("coupon", coupon, param="promotion[coupon]")
    if any(code["code"].lower() == typed.lower() and code["active"] for code in world.store.all("promotion_code")):
        raise ApiError(f"An active promotion code with `code: {typed}` already exists.", param="code")
    code = world.store.add(
        {
            "id": new_id("promo"),
            "object": "promotion_code",
            "active": active,
            "code": typed,
            "created": world.now(),
            "customer": customer,
            "customer_account": None,
            "expires_at": expires,
            "livemode": False,
            "max_redemptions": most,
            "metadata": metadata,
            "promotion": {"coupon": coupon, "type": "coupon"},
            "restrictions": {
                "first_time_transaction": False,
                "minimum_amount": None,
                "minimum_amount_currency": None,
            },
            "times_redeemed": 0,
        }
    )
    world.emit("promotion_code.created", code)
    return code


@route("POST", "/v1/promotion_codes/{}")
def update_code(world: World, params: Params, code_id: str) -> Thing:
    code = world.store.get("promotion_code", code_id)
    active, metadata = params.flag("active", code["active"]), params.metadata(code["metadata"])
    params.end()
    with world.changing(code, "promotion_code.updated"):
        code.update(active=active, metadata=metadata)
    return code


@route("GET", "/v1/promotion_codes/{}")
def get_code(world: World, params: Params, code_id: str) -> Thing:
    params.end()
    return world.store.get("promotion_code", code_id)


@route("GET", "/v1/promotion_codes")
def list_codes(world: World, params: Params) -> Thing:
    found = filtered(world, params, "promotion_code", "code", "customer")
    if "active" in params:
        active = params.flag("active")
        found = [code for code in found if code["active"] == active]
    return page(world, params, "/v1/promotion_codes", found)


@route("GET", "/v1/tax_rates/{}")
def get_tax_rate(world: World, params: Params, rate_id: str) -> Thing:
    params.end()
    return world.store.get("tax_rate", rate_id)


@route("GET", "/v1/tax_rates")
def list_tax_rates(world: World, params: Params) -> Thing:
    return page(world, params, "/v1/tax_rates", world.store.all("tax_rate"))
