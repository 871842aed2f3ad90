"""Products and prices at Stripe, brought in line with the catalogue: what is missing, what differs, what is no more.

A price is found by its lookup key and its product by its metadata; what carries neither is not ours and left alone.
What a price costs cannot be changed: it is replaced by a new one that takes its lookup key over, and goes out of sale.
Subscriptions stay on the price they began with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from billing import plans
from billing.catalogue import Pack, Plan, dollars
from billing.payments.client import PAGE, Found, all_of, id_of, stripe_client
from billing.payments.entitling import OFFER

CURRENCY = "usd"


class NotOurs(Exception):
    """A lookup key of ours is held by a product that we did not make."""


@dataclass(frozen=True)
class Step:
    """One difference, and what removes it."""

    offer: str
    what: str
    now: str
    then: str
    do: Callable[[], None]


@dataclass
class _There:
    products: dict[str, Found]  # ours, by offer
    prices: dict[str, Found]  # on sale, by lookup key
    active: list[Found]  # every price on sale of a product of ours


def steps() -> list[Step]:
    """Everything that has to be done, in order. Each step looks up what the one before it made."""
    there = _look()
    found = [step for offer in plans.OFFERS.values() for step in _steps_of(offer, there)]
    return found + list(_out_of_sale(there))


def _look() -> _There:
    ask = stripe_client().v1
    products = {
        str(one["metadata"][OFFER]): one
        for one in all_of(ask.products.list({"limit": PAGE}))
        if OFFER in (one.get("metadata") or {})
    }
    on_sale = all_of(ask.prices.list({"active": True, "limit": PAGE}))
    ours = {one["id"] for one in products.values()}
    return _There(
        products=products,
        prices={one["lookup_key"]: one for one in on_sale if one.get("lookup_key")},
        active=[one for one in on_sale if id_of(one["product"]) in ours],
    )


def _steps_of(offer: Plan | Pack, there: _There) -> Iterator[Step]:
    key, name = offer.lookup_key, name_of(offer)
    product, price = there.products.get(key), there.prices.get(key)
    if price is not None and (product is None or id_of(price["product"]) != product["id"]):
        raise NotOurs(f"{key} is the lookup key of {price['id']}, whose product was not made by stripe_sync.")
    if product is None:
        yield Step(key, "product", "", name, partial(_make_product, key, name))
    elif product["name"] != name or not product["active"]:
        now = product["name"] if product["active"] else f"{product['name']} (off sale)"
        yield Step(key, "product", now, name, partial(_update_product, product["id"], name))
    if price is None or _cost(price) != _wanted(offer):
        now = _cost(price) if price else ""
        yield Step(key, "price", now, _wanted(offer), partial(_make_price, offer, price))


def _out_of_sale(there: _There) -> Iterator[Step]:
    for price in there.active:
        if price.get("lookup_key") not in plans.OFFERS:
            offer = str((price.get("metadata") or {}).get(OFFER) or price["id"])
            yield Step(offer, "price", _cost(price), "off sale", partial(_retire_price, price))
    for offer, product in there.products.items():
        if offer not in plans.OFFERS and product["active"]:
            yield Step(offer, "product", product["name"], "off sale", partial(_retire_product, product))


def name_of(offer: Plan | Pack) -> str:
    """What Checkout and invoices call it."""
    return f"ArtistCloner {offer.name}" if isinstance(offer, Plan) else f"{offer.credits} ArtistCloner credits"


def _wanted(offer: Plan | Pack) -> str:
    return f"{dollars(offer.cents_a_month)} a month" if isinstance(offer, Plan) else dollars(offer.cents)


def _cost(price: Found) -> str:
    """In the words of `_wanted`, so that what differs in any way reads differently."""
    cost = dollars(price["unit_amount"] or 0)
    if price["currency"] != CURRENCY:
        cost = f"{cost} {price['currency']}"
    rhythm = price.get("recurring")
    if not rhythm:
        return cost
    many = "" if rhythm["interval_count"] == 1 else f"{rhythm['interval_count']} "
    return f"{cost} a {many}{rhythm['interval']}"


# --- doing ----------------------------------------------------------------------------------------------------


def _make_product(key: str, name: str) -> None:
    stripe_client().v1.products.create({"name": name, "metadata": {OFFER: key}})


def _update_product(product: str, name: str) -> None:
    stripe_client().v1.products.update(product, {"name": name, "active": True})


def _make_price(offer: Plan | Pack, old: Found | None) -> None:
    product = _look().products[offer.lookup_key]
    params: dict[str, Any] = {
        "product": product["id"],
        "currency": CURRENCY,
        "unit_amount": offer.cents_a_month if isinstance(offer, Plan) else offer.cents,
        "lookup_key": offer.lookup_key,
        "transfer_lookup_key": True,
        "metadata": {OFFER: offer.lookup_key},
    }
    if isinstance(offer, Plan):
        params["recurring"] = {"interval": "month"}
    made = stripe_client().v1.prices.create(params)  # type: ignore[arg-type]
    stripe_client().v1.products.update(product["id"], {"default_price": made.id})
    if old is not None:
        _retire_price(old)


def _retire_price(price: Found) -> None:
    stripe_client().v1.prices.update(price["id"], {"active": False})


def _retire_product(product: Found) -> None:
    stripe_client().v1.products.update(product["id"], {"active": False})
