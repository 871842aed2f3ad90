"""Another plan in the middle of a period: what is given back, what is charged, and when."""

from __future__ import annotations

from dataclasses import dataclass

from config.stack.stripe_double.engine import drafts
from config.stack.stripe_double.engine.cards import card_of, refusal
from config.stack.stripe_double.engine.discounts import taken_off_by
from config.stack.stripe_double.engine.periods import period_after
from config.stack.stripe_double.engine.subscriptions import (
    bill,
    collect_and_follow,
    items_of,
    lines_for_period,
    period_of,
    set_period,
)
from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World


@dataclass(frozen=True)
class Change:
    """One item gets another price or quantity."""

    item: Thing
    price: Thing
    quantity: int


def prorations(world: World, subscription: Thing, change: Change, *, at: int) -> list[Thing]:
    """A line that gives back the unused rest of the old price, and one that charges the rest of the new.

    What discounts take off is in their amounts already, or stands beside them where the subscription says so.
    """
    itemized = subscription["billing_mode"]["flexible"]["proration_discounts"] == "itemized"
    start, end = period_of(subscription)
    rest = max(0.0, min(1.0, (end - at) / max(end - start, 1)))
    old = world.store.get("price", change.item["price"])
    lines = []
    for price, quantity, sign, word in (
        (old, change.item["quantity"], -1, "Unused time on"),
        (change.price, change.quantity, 1, "Remaining time on"),
    ):
        name = world.store.get("product", price["product"])["name"]
        gross = round(price["unit_amount"] * quantity * rest)
        taken = taken_off_by(world, subscription["discounts"], gross)
        included = 0 if itemized else sum(taken.values())
        entry = drafts.line(
            world,
            price,
            amount=sign * (gross - included),
            start=at,
            end=end,
            subscription=subscription,
            item=change.item["id"],
            quantity=quantity,
            proration=True,
            description=f"{word} {name}",
        )
        if itemized:
            entry["discount_amounts"] = [{"amount": sign * off, "discount": one} for one, off in taken.items()]
        lines.append(entry)
    return lines


def same_rhythm(world: World, change: Change) -> bool:
    old, new = world.store.get("price", change.item["price"])["recurring"], change.price["recurring"]
    return (old["interval"], old["interval_count"]) == (new["interval"], new["interval_count"])


def apply(
    world: World, subscription: Thing, change: Change, *, prorate: str, behavior: str, at: int | None, anew: bool
) -> None:
    """Make the change. `anew` begins a new period now; another rhythm does so in any case."""
    restart = anew or not same_rhythm(world, change)
    trial = subscription["status"] == "trialing"
    lines: list[Thing] = []
    if prorate != "none" and not trial:
        lines = prorations(world, subscription, change, at=at or world.now())
    if restart:
        lines = lines[:1]  # the old rest is given back; the new price is charged whole
    at_once = (prorate == "always_invoice" or restart) and not trial
    if at_once and behavior == "error_if_incomplete":
        customer = world.store.get("customer", subscription["customer"])
        refuse_what_would_fail(world, customer, subscription["default_payment_method"])
    change.item.update(price=change.price["id"], quantity=change.quantity)
    if restart and not trial:
        now = world.now()
        subscription["billing_cycle_anchor"] = now
        set_period(subscription, now, period_after(now, change.price["recurring"], anchor=now))
        lines += lines_for_period(world, subscription)
    if not at_once:
        world.store.behind_of(subscription["id"]).setdefault("pending_lines", []).extend(lines)
    elif lines:
        collect_and_follow(world, bill(world, subscription, lines, reason="subscription_update"))


def refuse_what_would_fail(world: World, customer: Thing, method_id: str | None) -> None:
    """Raise the refusal that charging this customer would end in, before anything is changed."""
    method_id = method_id or customer["invoice_settings"]["default_payment_method"]
    if method_id is None:
        raise refusal("card_declined")
    card = card_of(world, world.store.get("payment_method", method_id))
    if card.refuses or card.refuses_later:
        raise refusal(card.refuses or card.refuses_later)


def preview(world: World, subscription: Thing, changes: list[Change], *, prorate: str) -> Thing:
    """The invoice that a change (or, without one, the next renewal) would make. Nothing is kept."""
    customer = world.store.get("customer", subscription["customer"])
    lines = list(world.store.behind_of(subscription["id"]).get("pending_lines", []))
    if prorate != "none":
        lines += [entry for change in changes for entry in prorations(world, subscription, change, at=world.now())]
    if prorate != "always_invoice":
        copied = world.shown(subscription)
        for item, change in zip(copied["items"]["data"], changes, strict=False):
            item["price"] = change.price["id"]
        for item, real in zip(copied["items"]["data"], items_of(subscription), strict=True):
            item["price"] = item["price"] if isinstance(item["price"], str) else real["price"]
        _start, end = period_of(subscription)
        recurring = world.store.get("price", copied["items"]["data"][0]["price"])["recurring"]
        set_period(copied, end, period_after(end, recurring, anchor=subscription["billing_cycle_anchor"]))
        lines += lines_for_period(world, copied)
    return drafts.make_invoice(
        world,
        customer,
        lines,
        reason="upcoming" if not changes else "subscription_update",
        currency=subscription["currency"],
        subscription=subscription,
        discounts=subscription["discounts"],
        taxed=subscription["automatic_tax"]["enabled"],
        kept=False,
    )


def check(subscription: Thing) -> None:
    if subscription["status"] in ("canceled", "incomplete_expired"):
        raise ApiError(
            "A canceled subscription can only update its cancellation_details and metadata.",
            param="id",
        )
