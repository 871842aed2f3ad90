"""Stripe's test cards and what becomes of a payment with each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World

_SENTENCES = {
    "card_declined": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
}


@dataclass(frozen=True)
class Card:
    """A way to pay. `refuses` is the reason while the person is there, `refuses_later` while nobody is."""

    number: str
    says: str
    brand: str = "visa"
    kind: str = "card"  # or "sepa_debit", which takes days
    refuses: str = ""
    refuses_later: str = ""
    asks: bool = False  # the bank wants the person to confirm
    disputed: bool = False

    @property
    def last4(self) -> str:
        return self.number[-4:]


CARDS = {
    card.number: card
    for card in (
        Card("4242424242424242", "pays, and goes on paying"),
        Card("5555555555554444", "pays, as a Mastercard", brand="mastercard"),
        Card("4000000000000341", "pays now; every later payment is declined", refuses_later="card_declined"),
        Card("4000000000009995", "is declined: insufficient funds", refuses="insufficient_funds"),
        Card("4000000000000002", "is declined", refuses="card_declined"),
        Card("4000000000000069", "is declined: expired", refuses="expired_card"),
        Card("4000000000000127", "is declined: wrong security code", refuses="incorrect_cvc"),
        Card("4000002500003155", "asks to confirm once, then pays", asks=True),
        Card(
            "4000002760003184",
            "asks to confirm every time: renewals fail",
            asks=True,
            refuses_later="authentication_required",
        ),
        Card("4000000000000259", "pays, and the payment is disputed", disputed=True),
        Card("DE89370400440532013000", "a bank debit: the money comes after three days", kind="sepa_debit"),
        Card(
            "DE62370400440532013001",
            "a bank debit that fails after three days",
            kind="sepa_debit",
            refuses="insufficient_funds",
        ),
    )
}
# how Stripe's API names them where no number can be given
NAMED = {
    "pm_card_visa": "4242424242424242",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_createDispute": "4000000000000259",
    "pm_card_authenticationRequired": "4000002760003184",
    "pm_card_threeDSecure2Required": "4000002500003155",
}


def card_numbered(number: str) -> Card:
    digits = "".join(number.split()).upper()
    card = CARDS.get(digits)
    if card is None:
        raise ApiError(
            "Your card number is not one of the test cards.",
            status=402,
            kind="card_error",
            code="incorrect_number",
            param="number",
        )
    return card


def card_of(world: World, method: Thing) -> Card:
    return CARDS[world.store.behind_of(method["id"])["number"]]


def refusal(reason: str, **more: Any) -> ApiError:
    """The 402 of a declined card."""
    declined_for = {"insufficient_funds": "insufficient_funds", "card_declined": "generic_decline"}.get(reason)
    return ApiError(
        _SENTENCES[reason],
        status=402,
        kind="card_error",
        code="card_declined" if reason == "insufficient_funds" else reason,
        decline_code=declined_for,
        **more,
    )


def make_method(world: World, card: Card, *, email: str | None = None, name: str | None = None) -> Thing:
    """A PaymentMethod that belongs to nobody yet."""
    method: Thing = {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": {
                "city": None,
                "country": "US",
                "line1": None,
                "line2": None,
                "postal_code": None,
                "state": None,
            },
            "email": email,
            "name": name,
            "phone": None,
            "tax_id": None,
        },
        "created": world.now(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": card.kind,
    }
    method[card.kind] = card_details(card) if card.kind == "card" else debit_details(card)
    world.store.behind_of(method["id"])["number"] = card.number
    return world.store.add(method)


def card_details(card: Card) -> Thing:
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": _fingerprint(card),
        "funding": "credit",
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def debit_details(card: Card) -> Thing:
    return {
        "bank_code": "37040044",
        "branch_code": "",
        "country": "DE",
        "fingerprint": _fingerprint(card),
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": card.last4,
    }


def _fingerprint(card: Card) -> str:
    return hashlib.sha256(card.number.encode()).hexdigest()[:16]


def attach(world: World, method: Thing, customer: str) -> None:
    """Give it to a customer, once."""
    if method["customer"] == customer:
        return
    if method["customer"] is not None:
        raise ApiError(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )
    method["customer"] = customer
    world.emit("payment_method.attached", method)
