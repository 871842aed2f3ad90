"""What time brings about: sessions and trials that end, renewals, retries. Done in the order in which it is due."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

from config.stack.stripe_double.clock import DAY
from config.stack.stripe_double.engine import (
    changing,
    checkout,
    invoicing,
    payments,
    renewing,
    returns,
    schedules,
    subscriptions,
)
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World

Due = tuple[int, Callable[[], None]]
_MOST = 10_000  # a daily price moved on by centuries must come to an end


def pass_time(world: World, seconds: int) -> int:
    """Move the clock on and do what is due on the way. Returns how many things that were."""
    target = world.now() + seconds
    done, _ = catch_up(world, target)
    world.clock.ahead += seconds
    return done


def catch_up(world: World, until: int | None = None) -> tuple[int, float]:
    """Do everything that is due until then (None: now), each thing at its own time.

    Returns how many things that were, and when the next one is due.
    """
    until = world.now() if until is None else until
    for done in range(_MOST):
        first = min(_pending(world), key=lambda due: due[0], default=None)
        if first is None or first[0] > until:
            return done, first[0] if first else math.inf
        with world.clock.at(first[0]):
            first[1]()
    return _MOST, 0


def _pending(world: World) -> Iterator[Due]:
    for session in world.store.all("checkout.session", status="open"):
        yield session["expires_at"], partial(checkout.expire, world, session)
    for invoice in world.store.all("invoice"):
        yield from _of_invoice(world, invoice)
    for subscription in world.store.all("subscription"):
        if subscription["status"] not in subscriptions.ENDED:
            yield from _of_subscription(world, subscription)
    for coming in world.store.behind_of("account").get("disputes", []):
        yield coming["at"], partial(_dispute, world, coming)
    for intent in world.store.all("payment_intent", status="processing"):
        at = world.store.behind_of(intent["id"]).get("settles_at")
        if at is not None:
            yield at, partial(_settle, world, intent)


def _dispute(world: World, coming: Thing) -> None:
    world.store.behind_of("account")["disputes"].remove(coming)
    returns.dispute(world, world.store.get("charge", coming["charge"]))


def _settle(world: World, intent: Thing) -> None:
    checkout.debit_settled(world, intent, outcome=payments.settle_debit(world, intent))


def _of_invoice(world: World, invoice: Thing) -> Iterator[Due]:
    if invoice["status"] == "draft" and invoice["automatically_finalizes_at"] is not None:
        yield invoice["automatically_finalizes_at"], lambda: _finalize_and_collect(world, invoice)
    if invoice["status"] == "open" and invoice["next_payment_attempt"] is not None:
        yield invoice["next_payment_attempt"], lambda: _retry(world, invoice)


def _finalize_and_collect(world: World, invoice: Thing) -> None:
    invoicing.finalize(world, invoice)
    subscriptions.collect_and_follow(world, invoice)


def _retry(world: World, invoice: Thing) -> None:
    subscriptions.collect_and_follow(world, invoice)


def _of_subscription(world: World, subscription: Thing) -> Iterator[Due]:
    behind = world.store.behind_of(subscription["id"])
    end = subscriptions.period_of(subscription)[1]
    if subscription["status"] == "incomplete":
        if "incomplete_until" in behind:
            yield behind["incomplete_until"], lambda: _give_up(world, subscription)
        return
    if subscription["status"] == "paused":
        return
    ends_at = subscription["cancel_at"]
    if ends_at is not None and ends_at <= end:
        yield ends_at, lambda: subscriptions.end_now(world, subscription, reason="cancellation_requested")
        return
    if subscription["status"] == "trialing":
        yield from _of_trial(world, subscription, behind)
        return
    told = end - world.settings.upcoming_days * DAY
    if behind.get("told_of") != end and subscription["status"] in ("active", "past_due"):
        yield max(told, subscription["created"]), lambda: _tell_upcoming(world, subscription, end)
    resumes = (subscription["pause_collection"] or {}).get("resumes_at")
    if resumes is not None:
        yield resumes, lambda: _resume_collection(world, subscription)
    schedule = schedules.running(world, subscription)
    if schedule is not None and schedule["current_phase"] is not None:
        # before the renewal that is due at the same moment: the new period is billed as the new phase has it
        yield schedule["current_phase"]["end_date"], lambda: schedules.turn(world, subscription, schedule)
    yield end, lambda: renewing.renew(world, subscription)


def _of_trial(world: World, subscription: Thing, behind: Thing) -> Iterator[Due]:
    end = subscription["trial_end"]
    if not behind.get("trial_told"):
        yield max(end - 3 * DAY, subscription["created"]), lambda: _tell_trial(world, subscription, behind)
    yield end, lambda: _end_trial(world, subscription)


def _tell_trial(world: World, subscription: Thing, behind: Thing) -> None:
    behind["trial_told"] = True
    world.emit("customer.subscription.trial_will_end", subscription)


def _end_trial(world: World, subscription: Thing) -> None:
    customer = world.store.get("customer", subscription["customer"])
    method = subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    without = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if method is None and without == "cancel":
        subscriptions.end_now(world, subscription, reason="payment_failed")
    elif method is None and without == "pause":
        subscription["status"] = "paused"
        world.emit("customer.subscription.paused", subscription)
    else:
        renewing.renew(world, subscription)


def _give_up(world: World, subscription: Thing) -> None:
    invoice = world.store.get("invoice", subscription["latest_invoice"])
    if invoice["status"] == "open":
        invoicing.void(world, invoice)
    with world.changing(subscription, "customer.subscription.updated"):
        subscription.update(status="incomplete_expired", ended_at=world.now())


def _tell_upcoming(world: World, subscription: Thing, end: int) -> None:
    world.store.behind_of(subscription["id"])["told_of"] = end
    upcoming = changing.preview(world, subscription, [], prorate="none")
    world.emit("invoice.upcoming", upcoming)


def _resume_collection(world: World, subscription: Thing) -> None:
    with world.changing(subscription, "customer.subscription.updated"):
        subscription["pause_collection"] = None
