"""`expand[]`: ids become the things they name, and parts that are left out by default are put in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World, listing

_DEEPEST = 4


def expand(world: World, thing: Thing, paths: list[str]) -> Thing:
    for path in paths:
        keys = path.split(".")
        if len(keys) > _DEEPEST + (keys[0] == "data"):
            raise ApiError(
                f"You cannot expand more than {_DEEPEST} levels of a property. Property: {path}", param="expand"
            )
        _follow(world, thing, keys, path)
    return thing


def _follow(world: World, node: Thing, keys: list[str], path: str) -> None:
    key, rest = keys[0], keys[1:]
    left_out = _LEFT_OUT.get((str(node.get("object", "")), key))
    if left_out is not None and node.get(key) is None:
        node[key] = left_out(world, node)
    elif key not in node:
        hint = f" You may want to try expanding 'data.{key}' instead." if node.get("object") == "list" else ""
        raise ApiError(f"This property cannot be expanded ({path}).{hint}", param="expand")
    value = node[key]
    if isinstance(value, list):
        node[key] = value = [_expanded(world, entry) for entry in value]
    else:
        node[key] = value = _expanded(world, value)
    if rest:
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict):
                _follow(world, entry, rest, path)


def _expanded(world: World, value: Any) -> Any:
    found = world.store.find(value) if isinstance(value, str) else None
    return value if found is None else world.shown(found)


def _refunds(world: World, charge: Thing) -> Thing:
    found = [world.shown(refund) for refund in world.store.all("refund", charge=charge["id"])]
    return listing(f"/v1/charges/{charge['id']}/refunds", found[::-1])


def _payments(world: World, invoice: Thing) -> Thing:
    found = [world.shown(payment) for payment in world.store.all("invoice_payment", invoice=invoice["id"])]
    return listing(f"/v1/invoice_payments?invoice={invoice['id']}", found)


def _subscriptions(world: World, customer: Thing) -> Thing:
    found = [
        world.shown(subscription)
        for subscription in world.store.all("subscription", customer=customer["id"])
        if subscription["status"] != "canceled"
    ]
    return listing(f"/v1/customers/{customer['id']}/subscriptions", found[::-1])


def _line_items(world: World, session: Thing) -> Thing:
    return listing(f"/v1/checkout/sessions/{session['id']}/line_items", session_lines(world, session))


def session_lines(world: World, session: Thing) -> list[Thing]:
    lines = [dict(line) for line in world.store.behind_of(session["id"])["lines"]]
    for line in lines:
        price = world.store.find(line["price"])
        line["price"] = world.shown(price) if price else None
    return lines


def _empty(path: str) -> Callable[[World, Thing], Thing]:
    return lambda world, owner: listing(path.format(owner["id"]), [])


_LEFT_OUT: dict[tuple[str, str], Callable[[World, Thing], Any]] = {
    ("charge", "refunds"): _refunds,
    ("invoice", "payments"): _payments,
    ("customer", "subscriptions"): _subscriptions,
    ("customer", "sources"): _empty("/v1/customers/{}/sources"),
    ("customer", "tax_ids"): _empty("/v1/customers/{}/tax_ids"),
    ("customer", "tax"): lambda world, owner: {
        "automatic_tax": "supported",
        "ip_address": None,
        "location": None,
        "provider": "stripe",
    },
    ("coupon", "applies_to"): lambda world, coupon: {"products": world.store.behind_of(coupon["id"])["products"]},
    ("price", "currency_options"): lambda world, price: {
        price["currency"]: {
            "custom_unit_amount": None,
            "tax_behavior": price["tax_behavior"],
            "unit_amount": price["unit_amount"],
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
    },
    ("price", "tiers"): lambda world, price: None,
    ("checkout.session", "line_items"): _line_items,
    ("item", "discounts"): lambda world, line: [],
    ("item", "taxes"): lambda world, line: [],
    ("", "breakdown"): lambda world, totals: {"discounts": [], "taxes": []},
}
