"""A period is over, or a paused subscription goes on: the next one begins and is billed."""

from __future__ import annotations

from config.stack.stripe_double.engine import invoicing
from config.stack.stripe_double.engine.periods import period_after
from config.stack.stripe_double.engine.subscriptions import (
    bill,
    collect_and_follow,
    items_of,
    lines_for_period,
    period_of,
    set_period,
)
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World


def renew(world: World, subscription: Thing) -> None:
    """The period is over: the next one begins, and its invoice is a draft for an hour."""
    trial = subscription["status"] == "trialing"
    old = period_of(subscription)
    behind = world.store.behind_of(subscription["id"])
    behind["last_period"] = old
    behind.pop("told_of", None)
    recurring = world.store.get("price", items_of(subscription)[0]["price"])["recurring"]
    with world.changing(subscription, "customer.subscription.updated"):
        set_period(subscription, old[1], period_after(old[1], recurring, anchor=subscription["billing_cycle_anchor"]))
        if trial:
            subscription["status"] = "active"
        lines = lines_for_period(world, subscription)
        invoice = bill(world, subscription, lines, reason="subscription_cycle", draft_for=invoicing.DRAFT_FOR)
        if subscription["status"] == "unpaid":
            invoice.update(auto_advance=False, automatically_finalizes_at=None)
        paused = subscription["pause_collection"]
        if paused is not None:
            _while_paused(world, invoice, paused["behavior"])


def _while_paused(world: World, invoice: Thing, behavior: str) -> None:
    if behavior == "keep_as_draft":
        invoice.update(auto_advance=False, automatically_finalizes_at=None)
        return
    invoicing.finalize(world, invoice)
    (invoicing.void if behavior == "void" else invoicing.write_off)(world, invoice)


def resume(world: World, subscription: Thing) -> None:
    """A paused subscription goes on: a new period begins now, and is billed."""
    now = world.now()
    recurring = world.store.get("price", items_of(subscription)[0]["price"])["recurring"]
    with world.changing(subscription, "customer.subscription.updated"):
        subscription.update(status="active", billing_cycle_anchor=now)
        set_period(subscription, now, period_after(now, recurring, anchor=now))
    world.emit("customer.subscription.resumed", subscription)
    lines = lines_for_period(world, subscription)
    collect_and_follow(world, bill(world, subscription, lines, reason="subscription_update"))
