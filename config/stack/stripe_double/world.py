"""What every part of the double works on: the store, the clock, its settings, and the news it makes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from config.stack.stripe_double.clock import Clock
from config.stack.stripe_double.store import Store, Thing, new_id

ACCOUNT = "acct_1Double0000000000"


@dataclass
class Settings:
    """What would be set in Stripe's dashboard."""

    tax_percent: float = 0.0  # where automatic tax is on
    after_retries: str = "cancel"  # or "unpaid", or "past_due": what becomes of an unpaid subscription
    retries: tuple[int, ...] = (3, 5, 7)  # days after the first failure
    upcoming_days: int = 7
    portal_pays_open: bool = True  # a new card in the portal pays what is open


@dataclass
class World:
    """One pretended Stripe account."""

    store: Store
    clock: Clock
    base_url: str
    api_version: str
    settings: Settings = field(default_factory=Settings)
    # of the request that is being answered: an event names it
    request: Thing = field(default_factory=lambda: {"id": None, "idempotency_key": None})

    def now(self) -> int:
        return self.clock.now()

    def emit(self, kind: str, thing: Thing, before: Thing | None = None) -> Thing:
        """News of `thing` as it is now; `before` holds the former values of what changed."""
        event: Thing = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": self.api_version,
            "created": self.now(),
            "data": {"object": self.shown(thing)},
            "livemode": False,
            "pending_webhooks": 1,
            "request": dict(self.request),
            "type": kind,
        }
        if before is not None:
            event["data"]["previous_attributes"] = before
        self.store.add(event)
        self.store.deliveries.append({"event": event["id"], "state": "waiting", "attempts": [], "due": 0})
        return event

    @contextmanager
    def changing(self, thing: Thing, kind: str) -> Iterator[None]:
        """News of what the block changes in `thing`, if it changes anything."""
        before = self.shown(thing)
        yield
        after = self.shown(thing)
        changed = {name: before.get(name) for name in after if before.get(name) != after[name]}
        if changed:
            self.emit(kind, thing, before=changed)

    def shown(self, thing: Thing) -> Thing:
        """A copy with the parts that are kept as ids and always shown whole."""
        copied = copy.deepcopy(thing)
        if thing["object"] == "subscription":
            for item in copied["items"]["data"]:
                self.show_item(item)
        if thing["object"] == "subscription_item":
            self.show_item(copied)
        return copied

    def show_item(self, item: Thing) -> None:
        price = self.store.get("price", item["price"])
        item["price"] = copy.deepcopy(price)
        item["plan"] = plan_of(price)


def listing(url: str, things: list[Any], *, has_more: bool = False) -> Thing:
    return {"object": "list", "data": things, "has_more": has_more, "url": url}


def plan_of(price: Thing) -> Thing:
    """The older form of a recurring price, which items still carry."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": recurring["usage_type"],
    }
