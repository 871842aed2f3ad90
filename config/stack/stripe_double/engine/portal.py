"""What a customer does in the billing portal."""

from __future__ import annotations

from config.stack.stripe_double.engine import changing, subscriptions
from config.stack.stripe_double.engine.cards import Card, attach, make_method, refusal
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World


def living(world: World, customer: str) -> list[Thing]:
    """The subscriptions that are not over, newest first."""
    found = [s for s in world.store.all("subscription", customer=customer) if s["status"] not in subscriptions.ENDED]
    return found[::-1]


def use_card(world: World, customer: Thing, card: Card) -> Thing:
    """Another card from now on: for the customer, their subscriptions, and what is still to be paid."""
    if card.refuses:
        raise refusal(card.refuses)
    method = make_method(world, card, email=customer["email"], name=customer["name"])
    attach(world, method, customer["id"])
    with world.changing(customer, "customer.updated"):
        customer["invoice_settings"] = {**customer["invoice_settings"], "default_payment_method": method["id"]}
    for subscription in living(world, customer["id"]):
        with world.changing(subscription, "customer.subscription.updated"):
            subscription["default_payment_method"] = method["id"]
    if world.settings.portal_pays_open:
        for invoice in list(world.store.all("invoice", customer=customer["id"], status="open")):
            subscriptions.collect_and_follow(world, invoice, present=True)
    return method


def cancel(world: World, subscription: Thing) -> None:
    with world.changing(subscription, "customer.subscription.updated"):
        subscriptions.cancel_at_end(world, subscription, by_portal=True)


def keep(world: World, subscription: Thing) -> None:
    with world.changing(subscription, "customer.subscription.updated"):
        subscriptions.keep_on(subscription)


def switch(world: World, subscription: Thing, price: Thing, *, prorate: str) -> None:
    """Another plan now, the rest of the period set off; refused where that cannot be paid."""
    item = subscriptions.items_of(subscription)[0]
    change = changing.Change(item, price, item["quantity"])
    with world.changing(subscription, "customer.subscription.updated"):
        changing.apply(
            world, subscription, change, prorate=prorate, behavior="error_if_incomplete", at=None, anew=False
        )


def offers(world: World, configuration: Thing) -> list[Thing]:
    """The recurring prices a configuration lets people switch to; all of them where it names none."""
    named = configuration["features"]["subscription_update"]["products"]
    allowed = {price for product in named or [] for price in product["prices"]}
    found = list(world.store.all("price", active=True, type="recurring"))
    return [price for price in found if not allowed or price["id"] in allowed]
