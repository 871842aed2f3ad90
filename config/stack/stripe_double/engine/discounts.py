"""Coupons, promotion codes, and what they take off."""

from __future__ import annotations

from collections.abc import Iterable

from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World

_MONTH = 30 * 86400


def coupon_for(world: World, *, coupon: str | None, promotion_code: str | None) -> tuple[Thing, Thing | None]:
    """The coupon that a parameter names, and the code it was given by."""
    if promotion_code is not None:
        code = world.store.get("promotion_code", promotion_code, param="promotion_code")
        return world.store.get("coupon", code["promotion"]["coupon"], param="coupon"), code
    return world.store.get("coupon", coupon or "", param="coupon"), None


def find_code(world: World, typed: str) -> Thing:
    """The promotion code that a person typed on a page."""
    for code in world.store.all("promotion_code"):
        if code["code"].lower() == typed.strip().lower() and is_valid(world, code):
            return code
    raise ApiError("This code is invalid.", code="promotion_code_invalid", param="promotion_code")


def is_valid(world: World, code: Thing) -> bool:
    coupon = world.store.get("coupon", code["promotion"]["coupon"])
    used_up = code["max_redemptions"] is not None and code["times_redeemed"] >= code["max_redemptions"]
    over = code["expires_at"] is not None and code["expires_at"] <= world.now()
    return bool(code["active"] and coupon_is_valid(world, coupon) and not used_up and not over)


def coupon_is_valid(world: World, coupon: Thing) -> bool:
    used_up = coupon["max_redemptions"] is not None and coupon["times_redeemed"] >= coupon["max_redemptions"]
    over = coupon["redeem_by"] is not None and coupon["redeem_by"] <= world.now()
    return not used_up and not over


def taken_off(coupon: Thing, amount: int) -> int:
    """What a coupon takes off an amount."""
    percent: float | None = coupon["percent_off"]
    if amount <= 0:
        return 0
    if percent is not None:
        return round(amount * percent / 100)
    return min(amount, int(coupon["amount_off"]))


def taken_off_by(world: World, discounts: Iterable[str], amount: int) -> dict[str, int]:
    """What each of these discounts, one after the other, takes off an amount."""
    taken: dict[str, int] = {}
    for discount in discounts:
        coupon = world.store.get("coupon", world.store.get("discount", discount)["source"]["coupon"])
        taken[discount] = taken_off(coupon, amount - sum(taken.values()))
    return taken


def redeem(world: World, coupon: Thing, code: Thing | None, *, customer: str | None, **owner: str | None) -> Thing:
    """A Discount: this coupon on that subscription, session or invoice."""
    coupon["times_redeemed"] += 1
    coupon["valid"] = coupon_is_valid(world, coupon)
    if code is not None:
        code["times_redeemed"] += 1
    ends = None
    if coupon["duration"] == "repeating":
        ends = world.now() + coupon["duration_in_months"] * _MONTH
    return world.store.add(
        {
            "id": new_id("di"),
            "object": "discount",
            "checkout_session": owner.get("checkout_session"),
            "customer": customer,
            "customer_account": None,
            "end": ends,
            "invoice": owner.get("invoice"),
            "invoice_item": None,
            "promotion_code": code["id"] if code else None,
            "source": {"coupon": coupon["id"], "type": "coupon"},
            "start": world.now(),
            "subscription": owner.get("subscription"),
            "subscription_item": None,
        }
    )
