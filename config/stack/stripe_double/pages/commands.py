"""What the control page and its JSON twin can do to the double."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

from config.stack.stripe_double.double import Double
from config.stack.stripe_double.engine import checkout, portal, returns
from config.stack.stripe_double.engine.cards import card_numbered
from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.pages.html import moment
from config.stack.stripe_double.store import Thing

_AFTER = ("cancel", "unpaid", "past_due")


def clock(double: Double, fields: Thing) -> Thing:
    """`days`, `hours`, `seconds`: move the clock on."""
    step = {name: _number(fields, name) for name in ("days", "hours", "seconds")}
    if sum(step.values()) <= 0:
        raise ApiError("Say how far: days, hours or seconds, forward.")
    done = double.advance(**step)
    return {
        "now": double.world.now(),
        "done": done,
        "say": f"It is {moment(double.world.now())} now; {done} things were due.",
    }


def deliver(double: Double, fields: Thing) -> Thing:
    """Send what waits now, `times` each; `order`: "reversed", "shuffled", or a list of kinds or ids."""
    waiting = double.courier.waiting()
    return _send(double, _ordered(double, waiting, fields.get("order")), fields)


def replay(double: Double, fields: Thing) -> Thing:
    """Send again what went out before: one `event`, or all."""
    event = fields.get("event", "all")
    chosen = [d for d in double.world.store.deliveries if event in ("all", d["event"]) and d["state"] != "waiting"]
    if not chosen:
        raise ApiError(f"No such delivery: {event}")
    return _send(double, _ordered(double, chosen, fields.get("order")), fields)


def reorder(double: Double, fields: Thing) -> Thing:
    """Send what waits in another order; reversed unless `order` says otherwise."""
    return deliver(double, {"order": "reversed", **fields})


def hold(double: Double, fields: Thing) -> Thing:
    """`on`: nothing goes out by itself until it is off again."""
    double.courier.held = _on(fields)
    return {"held": double.courier.held, "say": "News are held back." if double.courier.held else "News go out again."}


def lose(double: Double, fields: Thing) -> Thing:
    """Drop what waits of these `kinds` ("*": all). With `on`, later news of these kinds are lost, too."""
    kinds = _words(fields.get("kinds", "*"))
    if "on" in fields:
        double.courier.losing = set(kinds) if _on(fields) else set()
    lost = double.courier.lose_waiting(kinds if "on" not in fields or _on(fields) else [])
    return {"lost": [d["event"] for d in lost], "say": f"{len(lost)} news were lost."}


def outage(double: Double, fields: Thing) -> Thing:
    """`on`: the API answers 503 to everything."""
    double.down = _on(fields)
    return {"down": double.down, "say": "The API is down." if double.down else "The API answers again."}


def settings(double: Double, fields: Thing) -> Thing:
    """`tax_percent`, and `after_retries`: what becomes of a subscription that nobody pays."""
    with double.changing() as world:
        if "tax_percent" in fields:
            world.settings.tax_percent = _number(fields, "tax_percent")
        if "after_retries" in fields:
            if fields["after_retries"] not in _AFTER:
                raise ApiError(f"after_retries is one of {', '.join(_AFTER)}.")
            world.settings.after_retries = fields["after_retries"]
    return {"say": "Noted."}


def pay(double: Double, fields: Thing) -> Thing:
    """Pay a Checkout `session` with a `card`, as its page would; `code` is a promotion code."""
    with double.changing() as world:
        session = world.store.get("checkout.session", str(fields.get("session", "")).rpartition("/")[2])
        if fields.get("code"):
            checkout.set_code(world, session, fields["code"])
        known = world.store.find(session["customer"]) if session["customer"] else None
        email = fields.get("email") or (known or {}).get("email") or "someone@example.com"
        card = card_numbered(fields.get("card", "4242424242424242"))
        checkout.pay(world, session, checkout.Buyer(card, email, confirmed=True))
        return {"session": world.shown(session), "say": "Paid."}


def card(double: Double, fields: Thing) -> Thing:
    """Give a `customer` another `card`, as the portal would."""
    with double.changing() as world:
        customer = world.store.get("customer", fields.get("customer", ""))
        method = portal.use_card(world, customer, card_numbered(fields.get("card", "4242424242424242")))
        return {"payment_method": world.shown(method), "say": "Another card."}


def refund(double: Double, fields: Thing) -> Thing:
    """Give a `charge` back, all of it or `amount` cents."""
    with double.changing() as world:
        charge = world.store.get("charge", fields.get("charge", ""))
        cents = int(_number(fields, "amount")) or None
        made = returns.refund(world, charge, amount=cents, reason="requested_by_customer")
        return {"refund": world.shown(made), "say": "Refunded."}


def dispute(double: Double, fields: Thing) -> Thing:
    """The bank takes a `charge` back; with `dispute` and `won` it decides."""
    with double.changing() as world:
        if "dispute" in fields:
            opened = world.store.get("dispute", fields["dispute"])
            returns.close_dispute(world, opened, won=_on(fields, "won"))
            return {"dispute": world.shown(opened), "say": f"The dispute is {opened['status']}."}
        opened = returns.dispute(world, world.store.get("charge", fields.get("charge", "")))
        return {"dispute": world.shown(opened), "say": "Disputed: the money was taken back."}


def state(double: Double, fields: Thing) -> Thing:
    """Everything at a glance; with `kind` all things of that kind."""
    with double.changing() as world:
        store = world.store
        kind = fields.get("kind")
        return {
            "now": world.now(),
            "ahead": world.clock.ahead,
            "held": double.courier.held,
            "down": double.down,
            "losing": sorted(double.courier.losing),
            "counts": {name: sum(1 for _ in store.all(name)) for name in sorted(store.kinds())},
            "deliveries": [{**d, "type": store.get("event", d["event"])["type"]} for d in store.deliveries[-200:]],
            "things": [world.shown(thing) for thing in store.all(kind)] if kind else [],
        }


COMMANDS: dict[str, Callable[[Double, Thing], Thing]] = {
    command.__name__: command
    for command in (clock, deliver, replay, reorder, hold, lose, outage, settings, pay, card, refund, dispute, state)
}


def _send(double: Double, chosen: Iterable[Thing], fields: Thing) -> Thing:
    times = int(_number(fields, "times")) or 1
    statuses = [double.courier.deliver(delivery) for delivery in chosen for _ in range(times)]
    double.save()
    taken = sum(200 <= status < 300 for status in statuses)
    return {"statuses": statuses, "say": f"{len(statuses)} sent, {taken} taken."}


def _ordered(double: Double, chosen: list[Thing], order: Any) -> list[Thing]:
    if not order:
        return chosen
    if order == "reversed":
        return chosen[::-1]
    if order == "shuffled":
        return random.sample(chosen, len(chosen))
    kind = {d["event"]: double.world.store.get("event", d["event"])["type"] for d in chosen}
    return [d for wanted in _words(order) for d in chosen if wanted in (d["event"], kind[d["event"]])]


def _words(given: Any) -> list[str]:
    return [str(word) for word in given] if isinstance(given, list) else str(given).replace(",", " ").split()


def _on(fields: Thing, name: str = "on") -> bool:
    return str(fields.get(name, "true")).lower() in ("true", "1", "on", "yes")


def _number(fields: Thing, name: str) -> float:
    try:
        return float(fields.get(name) or 0)
    except (TypeError, ValueError) as error:
        raise ApiError(f"{name} is {fields[name]!r}; it must be a number.", param=name) from error
