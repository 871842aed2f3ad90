"""Invoices on their way from draft to paid, and what happens when nobody pays."""

from __future__ import annotations

import secrets

from config.stack.stripe_double.clock import DAY, HOUR
from config.stack.stripe_double.engine import payments
from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import ACCOUNT, World

DRAFT_FOR = HOUR  # a renewal's invoice can be changed that long


def finalize(world: World, invoice: Thing, *, paid_by: str | None = None) -> None:
    """From draft to open: it has a number now and its sums stay. `paid_by`: the intent that has paid it before."""
    if invoice["status"] != "draft":
        raise ApiError("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    customer = world.store.get("customer", invoice["customer"])
    number = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = number + 1
    # what was to their credit is used up; a negative invoice adds to it
    customer["balance"] += (invoice["total"] - invoice["amount_due"]) if invoice["total"] else 0
    secret = secrets.token_urlsafe(24)
    url = f"{world.base_url}/i/{ACCOUNT}/{invoice['id']}"
    invoice.update(
        status="open",
        number=f"{customer['invoice_prefix']}-{number:04d}",
        effective_at=world.now(),
        ending_balance=customer["balance"],
        hosted_invoice_url=f"{url}?s={secret}",
        invoice_pdf=f"{url}/pdf?s={secret}",
        automatically_finalizes_at=None,
    )
    invoice["status_transitions"]["finalized_at"] = world.now()
    if invoice["amount_due"]:
        _expect_payment(world, invoice, paid_by or _intent_for(world, invoice)["id"])
    world.emit("invoice.finalized", invoice)


_PAYS_FOR = {
    "subscription_create": "Subscription creation",
    "subscription_cycle": "Subscription update",
    "subscription_update": "Subscription update",
}


def _intent_for(world: World, invoice: Thing) -> Thing:
    return payments.make_intent(
        world,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=_PAYS_FOR.get(invoice["billing_reason"], "Invoice"),
    )


def _expect_payment(world: World, invoice: Thing, intent: str) -> None:
    world.store.add(
        {
            "id": new_id("inpay"),
            "object": "invoice_payment",
            "amount_paid": None,
            "amount_requested": invoice["amount_due"],
            "created": world.now(),
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "livemode": False,
            "payment": {"payment_intent": intent, "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        }
    )


def intent_of(world: World, invoice: Thing) -> Thing | None:
    for payment in world.store.all("invoice_payment", invoice=invoice["id"]):
        return world.store.get("payment_intent", payment["payment"]["payment_intent"])
    return None


def method_for(world: World, invoice: Thing) -> Thing | None:
    """With what an invoice is paid: its own way, the subscription's, the customer's."""
    customer = world.store.get("customer", invoice["customer"])
    subscription = subscription_of(world, invoice)
    for method in (
        invoice["default_payment_method"],
        subscription["default_payment_method"] if subscription else None,
        customer["invoice_settings"]["default_payment_method"],
    ):
        if method is not None:
            return world.store.find(method)
    return None


def subscription_of(world: World, invoice: Thing) -> Thing | None:
    parent = invoice["parent"]
    return world.store.find(parent["subscription_details"]["subscription"]) if parent else None


def collect(world: World, invoice: Thing, *, method: Thing | None = None, present: bool = False) -> bool:
    """Try to have an open invoice paid. Returns whether it is."""
    if invoice["status"] != "open":
        raise ApiError(f"Invoice is {invoice['status']}: only an open one can be paid.", code="invoice_not_editable")
    if not invoice["amount_due"]:
        mark_paid(world, invoice)
        return True
    intent = intent_of(world, invoice)
    assert intent is not None  # finalize made it
    method = method or method_for(world, invoice)
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    if method is not None and payments.confirm(world, intent, method, present=present) == "succeeded":
        mark_paid(world, invoice)
        return True
    with world.changing(invoice, "invoice.updated"):
        _plan_next_attempt(world, invoice)
    world.emit("invoice.payment_failed", invoice)
    return False


def _plan_next_attempt(world: World, invoice: Thing) -> None:
    behind = world.store.behind_of(invoice["id"])
    first = behind.setdefault("first_failure", world.now())
    days = world.settings.retries
    done = invoice["attempt_count"] - 1
    retried = invoice["billing_reason"] == "subscription_cycle" and done < len(days)
    invoice["next_payment_attempt"] = first + days[done] * DAY if retried else None


def mark_paid(world: World, invoice: Thing) -> None:
    for payment in world.store.all("invoice_payment", invoice=invoice["id"]):
        payment.update(status="paid", amount_paid=payment["amount_requested"])
        payment["status_transitions"]["paid_at"] = world.now()
        world.emit("invoice_payment.paid", payment)
    invoice.update(
        status="paid",
        attempted=True,
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        next_payment_attempt=None,
        auto_advance=False,
        webhooks_delivered_at=world.now(),
    )
    invoice["status_transitions"]["paid_at"] = world.now()
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)


def void(world: World, invoice: Thing) -> None:
    if invoice["status"] not in ("open", "uncollectible"):
        raise ApiError("You can only pass in open or uncollectible invoices.", code="invoice_not_editable")
    _give_up_intent(world, invoice, "void_invoice")
    invoice.update(status="void", next_payment_attempt=None, auto_advance=False)
    invoice["status_transitions"]["voided_at"] = world.now()
    world.emit("invoice.voided", invoice)


def write_off(world: World, invoice: Thing) -> None:
    if invoice["status"] != "open":
        raise ApiError("You can only mark open invoices as uncollectible.", code="invoice_not_editable")
    invoice.update(status="uncollectible", next_payment_attempt=None, auto_advance=False)
    invoice["status_transitions"]["marked_uncollectible_at"] = world.now()
    world.emit("invoice.marked_uncollectible", invoice)


def _give_up_intent(world: World, invoice: Thing, reason: str) -> None:
    intent = intent_of(world, invoice)
    if intent is not None and intent["status"] != "succeeded":
        intent.update(status="canceled", canceled_at=world.now(), cancellation_reason=reason)
        world.emit("payment_intent.canceled", intent)
    for payment in world.store.all("invoice_payment", invoice=invoice["id"]):
        payment["status"] = "canceled"
        payment["status_transitions"]["canceled_at"] = world.now()
