"""Payment intents and charges."""

from __future__ import annotations

from config.stack.stripe_double.clock import DAY
from config.stack.stripe_double.engine.cards import card_details, card_of, refusal
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World

_DEBIT_TAKES = 3 * DAY


def make_intent(world: World, *, amount: int, currency: str, customer: str | None, **fields: object) -> Thing:
    """A PaymentIntent that waits for a way to pay."""
    intent_id = new_id("pi")
    intent: Thing = {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{intent_id}_secret_{new_id('x')[2:]}",
        "confirmation_method": "automatic",
        "created": world.now(),
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
        **fields,
    }
    world.store.add(intent)
    world.emit("payment_intent.created", intent)
    return intent


def confirm(world: World, intent: Thing, method: Thing, *, present: bool) -> str:
    """Try to pay. Returns "succeeded", "processing" or "failed"; what happened stands in the intent."""
    card = card_of(world, method)
    intent["payment_method"] = method["id"]
    if card.kind != "card":
        intent["status"] = "processing"
        intent["payment_method_types"] = [card.kind]
        charge = make_charge(world, intent, method, status="pending")
        world.emit("charge.pending", charge)
        world.emit("payment_intent.processing", intent)
        world.store.behind_of(intent["id"]).update(settles_at=world.now() + _DEBIT_TAKES)
        return "processing"
    reason = card.refuses or ("" if present else card.refuses_later)
    if reason:
        fail(world, intent, method, reason)
        return "failed"
    succeed(world, intent, make_charge(world, intent, method, status="succeeded"))
    if card.disputed:
        disputes = world.store.behind_of("account").setdefault("disputes", [])
        disputes.append({"at": world.now(), "charge": intent["latest_charge"]})
    return "succeeded"


def settle_debit(world: World, intent: Thing) -> str:
    """What was processing has been decided by the bank."""
    del world.store.behind_of(intent["id"])["settles_at"]
    method = world.store.get("payment_method", intent["payment_method"])
    charge = world.store.get("charge", intent["latest_charge"])
    reason = card_of(world, method).refuses
    if reason:
        fail(world, intent, method, reason, charge=charge)
        return "failed"
    charge.update(status="succeeded", paid=True, captured=True, amount_captured=charge["amount"])
    charge["balance_transaction"] = book(world, charge, charge["amount"], kind="charge")["id"]
    succeed(world, intent, charge)
    return "succeeded"


def succeed(world: World, intent: Thing, charge: Thing) -> None:
    intent.update(status="succeeded", amount_received=intent["amount"], latest_charge=charge["id"], next_action=None)
    intent["last_payment_error"] = None
    world.emit("charge.succeeded", charge)
    world.emit("payment_intent.succeeded", intent)


def fail(world: World, intent: Thing, method: Thing, reason: str, charge: Thing | None = None) -> None:
    error = refusal(reason).body
    charge = charge or make_charge(world, intent, method, status="failed")
    charge.update(
        status="failed", paid=False, captured=False, failure_code=error["code"], failure_message=error["message"]
    )
    charge["outcome"] = _outcome(error.get("decline_code") or error["code"])
    intent.update(status="requires_payment_method", payment_method=None, latest_charge=charge["id"])
    intent["last_payment_error"] = {**error, "charge": charge["id"], "payment_method": world.shown(method)}
    world.emit("charge.failed", charge)
    world.emit("payment_intent.payment_failed", intent)


def make_charge(world: World, intent: Thing, method: Thing, *, status: str) -> Thing:
    paid = status == "succeeded"
    kind = method["type"]
    charge_id = new_id("ch")
    charge: Thing = {
        "id": charge_id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if paid else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": dict(method["billing_details"]),
        "calculated_statement_descriptor": "DOUBLE, NO MONEY",
        "captured": paid,
        "created": world.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _outcome(None),
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {kind: _paid_with(world, method, intent["amount"]), "type": kind},
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": f"{world.base_url}/receipts/{charge_id}",
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
    }
    world.store.add(charge)
    intent["latest_charge"] = charge_id
    if paid:
        charge["balance_transaction"] = book(world, charge, charge["amount"], kind="charge")["id"]
    return charge


def _paid_with(world: World, method: Thing, amount: int) -> Thing:
    card = card_of(world, method)
    if card.kind != "card":
        return {
            "bank_code": "37040044",
            "branch_code": "",
            "country": "DE",
            "expected_debit_date": None,
            "fingerprint": method[card.kind]["fingerprint"],
            "last4": card.last4,
            "mandate": None,
        }
    details = card_details(card)
    shown = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
    return {
        **{name: details[name] for name in shown},
        "amount_authorized": amount,
        "authorization_code": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card.brand,
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": None,
    }


def _outcome(reason: str | None) -> Thing:
    declined = reason is not None
    return {
        "advice_code": "try_again_later" if declined else None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if declined else "approved_by_network",
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 1,
        "seller_message": "The bank declined the payment." if declined else "Payment complete.",
        "type": "issuer_declined" if declined else "authorized",
    }


def book(world: World, source: Thing, amount: int, *, kind: str, fee: int | None = None) -> Thing:
    """A line of the account's balance: what came in or went out, less Stripe's fee."""
    taken = fee if fee is not None else round(amount * 0.029) + 30
    return world.store.add(
        {
            "id": new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": world.now() + 2 * DAY,
            "balance_type": "payments",
            "created": world.now(),
            "currency": source["currency"],
            "description": source.get("description"),
            "exchange_rate": None,
            "fee": taken,
            "fee_details": [
                {
                    "amount": taken,
                    "application": None,
                    "currency": source["currency"],
                    "description": "Stripe processing fees",
                    "type": "stripe_fee",
                }
            ]
            if taken
            else [],
            "net": amount - taken,
            "reporting_category": {"adjustment": "dispute"}.get(kind, kind),
            "source": source["id"],
            "status": "pending",
            "type": kind,
        }
    )
