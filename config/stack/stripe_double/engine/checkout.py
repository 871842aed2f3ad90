"""Checkout sessions: what is sold, what it costs, and what paying sets in motion."""

from __future__ import annotations

from dataclasses import dataclass

from config.stack.stripe_double.engine import drafts, invoicing, payments, subscriptions
from config.stack.stripe_double.engine.cards import Card, attach, make_method, refusal
from config.stack.stripe_double.engine.customers import make_customer
from config.stack.stripe_double.engine.discounts import find_code, redeem, taken_off
from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World


@dataclass(frozen=True)
class Buyer:
    """What a person fills in on the page."""

    card: Card
    email: str
    name: str = ""
    confirmed: bool = False  # the bank's extra page was answered


def open_session(world: World, session_id: str) -> Thing:
    """The session, if it can still be paid."""
    session = world.store.get("checkout.session", session_id)
    customer = world.store.find(session["customer"]) if session["customer"] else None
    if customer is not None and customer.get("deleted"):
        raise ApiError(f"No such customer: '{customer['id']}'", code="resource_missing", param="customer")
    if session["status"] != "open":
        raise ApiError(f"This session is {session['status']}.", code="checkout_session_not_open")
    return session


def set_code(world: World, session: Thing, typed: str) -> None:
    """Take a promotion code that was typed on the page (an empty one takes it back)."""
    if not typed.strip():
        session["discounts"] = []
    else:
        code = find_code(world, typed)
        session["discounts"] = [{"coupon": None, "promotion_code": code["id"]}]
    add_up(world, session)


def coupons_of(world: World, session: Thing) -> list[tuple[Thing, Thing | None]]:
    found: list[tuple[Thing, Thing | None]] = []
    for discount in session["discounts"]:
        code = world.store.find(discount["promotion_code"]) if discount["promotion_code"] else None
        coupon = code["promotion"]["coupon"] if code else discount["coupon"]
        found.append((world.store.get("coupon", coupon), code))
    return found


def add_up(world: World, session: Thing) -> None:
    """The sums of a session and of its lines."""
    behind = world.store.behind_of(session["id"])
    percent = world.settings.tax_percent if session["automatic_tax"]["enabled"] else 0.0
    coupons = [coupon for coupon, _ in coupons_of(world, session)]
    totals = {"amount_subtotal": 0, "amount_discount": 0, "amount_tax": 0, "amount_total": 0}
    for line in behind["lines"]:
        price = world.store.get("price", line["price"])
        free = session["mode"] == "subscription" and price["recurring"] and behind.get("trial_days")
        subtotal = 0 if free else price["unit_amount"] * line["quantity"]
        left = subtotal
        for coupon in coupons:
            left -= taken_off(coupon, left)
        inclusive = price["tax_behavior"] == "inclusive"
        tax = round(left * percent / (100 + percent if inclusive else 100))
        line.update(amount_subtotal=subtotal, amount_discount=subtotal - left, amount_tax=tax)
        line["amount_total"] = left + (0 if inclusive else tax)
        for name in totals:
            totals[name] += line[name]
    session["amount_subtotal"], session["amount_total"] = totals["amount_subtotal"], totals["amount_total"]
    session["total_details"] = {
        "amount_discount": totals["amount_discount"],
        "amount_shipping": 0,
        "amount_tax": totals["amount_tax"],
    }
    if session["automatic_tax"]["enabled"]:
        session["automatic_tax"]["status"] = "complete"


def pay(world: World, session: Thing, buyer: Buyer) -> None:
    """The button: a declined card raises its refusal, and the session stays open."""
    open_session(world, session["id"])
    card = buyer.card
    if card.asks and not buyer.confirmed:
        raise refusal("authentication_required")
    if card.kind != "card" and session["mode"] != "payment":
        raise ApiError("A bank debit can pay a single purchase only.", param="payment_method")
    method = make_method(world, card, email=buyer.email, name=buyer.name or None)
    (_pay_once if session["mode"] == "payment" else _subscribe)(world, session, buyer, method)


def _pay_once(world: World, session: Thing, buyer: Buyer, method: Thing) -> None:
    behind = world.store.behind_of(session["id"])
    customer = _customer(world, session, buyer, needed=session["customer_creation"] == "always")
    outcome = "succeeded"
    if session["amount_total"]:
        intent = _intent(world, session, customer)
        session["payment_intent"] = intent["id"]
        if behind.get("setup_future_usage") and customer is not None:
            attach(world, method, customer["id"])
        outcome = payments.confirm(world, intent, method, present=True)
        if outcome == "failed":
            raise refusal(buyer.card.refuses)
    _redeem(world, session, customer)
    if session["invoice_creation"]["enabled"] and customer is not None and outcome == "succeeded":
        session["invoice"] = _receipt_invoice(world, session, customer)["id"]
    _complete(world, session, buyer, paid=outcome == "succeeded")


def _intent(world: World, session: Thing, customer: Thing | None) -> Thing:
    behind = world.store.behind_of(session["id"])
    if session["payment_intent"]:  # of an attempt before, which was declined
        known = world.store.get("payment_intent", session["payment_intent"])
        known["amount"] = session["amount_total"]
        return known
    return payments.make_intent(
        world,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=customer["id"] if customer else None,
        metadata=behind["intent"].get("metadata", {}),
        description=behind["intent"].get("description"),
        receipt_email=behind["intent"].get("receipt_email"),
        setup_future_usage=behind.get("setup_future_usage"),
    )


def _receipt_invoice(world: World, session: Thing, customer: Thing) -> Thing:
    """The invoice that `invoice_creation` asks for: of what has been paid already."""
    now = world.now()
    lines = []
    for line in world.store.behind_of(session["id"])["lines"]:
        price = world.store.get("price", line["price"])
        amount = price["unit_amount"] * line["quantity"]
        lines.append(
            drafts.line(world, price, amount=amount, start=now, end=now, subscription=None, quantity=line["quantity"])
        )
    invoice = drafts.make_invoice(
        world,
        customer,
        lines,
        reason="manual",
        currency=session["currency"],
        discounts=world.store.behind_of(session["id"]).get("redeemed", []),
        taxed=session["automatic_tax"]["enabled"],
        metadata=dict(session["invoice_creation"]["invoice_data"]["metadata"] or {}),
    )
    invoicing.finalize(world, invoice, paid_by=session["payment_intent"])
    invoicing.mark_paid(world, invoice)
    return invoice


def _subscribe(world: World, session: Thing, buyer: Buyer, method: Thing) -> None:
    if buyer.card.refuses:
        raise refusal(buyer.card.refuses)
    behind = world.store.behind_of(session["id"])
    customer = _customer(world, session, buyer, needed=True)
    assert customer is not None  # `needed` made one
    attach(world, method, customer["id"])
    _redeem(world, session, customer)
    trial = behind.get("trial_days")
    order = subscriptions.Order(
        customer=customer,
        items=[(world.store.get("price", line["price"]), line["quantity"]) for line in behind["lines"]],
        metadata=behind["subscription"].get("metadata", {}),
        description=behind["subscription"].get("description"),
        proration_discounts=behind["subscription"].get("proration_discounts", "included"),
        trial_end=world.now() + trial * 86400 if trial else None,
        method=method,
        discounts=behind.get("redeemed", []),
        taxed=session["automatic_tax"]["enabled"],
    )
    subscription = subscriptions.begin(world, order, present=True)
    session.update(subscription=subscription["id"], invoice=subscription["latest_invoice"])
    _complete(world, session, buyer, paid=True)


def _customer(world: World, session: Thing, buyer: Buyer, *, needed: bool) -> Thing | None:
    if session["customer"] is not None:
        return world.store.get("customer", session["customer"])
    if not needed:
        return None
    customer = make_customer(world, email=buyer.email, name=buyer.name or None)
    session["customer"] = customer["id"]
    return customer


def _redeem(world: World, session: Thing, customer: Thing | None) -> None:
    owner = customer["id"] if customer else None
    made = [
        redeem(world, coupon, code, customer=owner, checkout_session=session["id"])["id"]
        for coupon, code in coupons_of(world, session)
    ]
    world.store.behind_of(session["id"])["redeemed"] = made


def _complete(world: World, session: Thing, buyer: Buyer, *, paid: bool) -> None:
    session.update(
        status="complete",
        url=None,
        payment_status="paid" if paid and session["amount_total"] else "no_payment_required" if paid else "unpaid",
        customer_details={
            "address": {
                "city": None,
                "country": "US",
                "line1": None,
                "line2": None,
                "postal_code": None,
                "state": None,
            },
            "business_name": None,
            "email": buyer.email,
            "individual_name": None,
            "name": buyer.name or None,
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
    )
    world.emit("checkout.session.completed", session)


def debit_settled(world: World, intent: Thing, *, outcome: str) -> None:
    """A bank debit that paid for a session has come, or has not."""
    for session in world.store.all("checkout.session", payment_intent=intent["id"]):
        if outcome == "succeeded":
            session["payment_status"] = "paid"
            world.emit("checkout.session.async_payment_succeeded", session)
        else:
            world.emit("checkout.session.async_payment_failed", session)


def expire(world: World, session: Thing) -> None:
    session.update(status="expired", url=None)
    world.emit("checkout.session.expired", session)
