"""Payment intents, charges, refunds, disputes, and the lines of the balance."""

from __future__ import annotations

from config.stack.stripe_double.api.router import filtered, page, route
from config.stack.stripe_double.engine import payments, returns
from config.stack.stripe_double.engine.cards import refusal
from config.stack.stripe_double.errors import ApiError, required
from config.stack.stripe_double.params import Params
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World


@route("POST", "/v1/payment_intents")
def create_intent(world: World, params: Params) -> Thing:
    amount, currency = params.number("amount", least=1), params.need("currency").lower()
    customer, method, confirm = params.text("customer"), params.text("payment_method"), params.flag("confirm")
    texts = {name: params.text(name) for name in ("description", "receipt_email", "setup_future_usage")}
    off_session, metadata = params.flag("off_session"), params.metadata()
    kinds = params.texts("payment_method_types")
    params.plain("automatic_payment_methods")
    params.end()
    if amount is None:
        raise required("amount")
    if customer is not None:
        world.store.get("customer", customer, param="customer")
    intent = payments.make_intent(
        world, amount=amount, currency=currency, customer=customer, metadata=metadata, **texts
    )
    intent["payment_method_types"] = kinds or ["card"]
    if confirm:
        if method is None:
            raise required("payment_method")
        _confirm(world, intent, method, present=not off_session)
    return intent


def _confirm(world: World, intent: Thing, method_id: str, *, present: bool) -> None:
    method = world.store.get("payment_method", method_id, param="payment_method")
    if payments.confirm(world, intent, method, present=present) == "failed":
        error = intent["last_payment_error"]
        raise refusal(
            error["code"]
            if error["code"] != "card_declined"
            else error["decline_code"].replace("generic_decline", "card_declined"),
            payment_intent=world.shown(intent),
        )


@route("POST", "/v1/payment_intents/{}/confirm")
def confirm_intent(world: World, params: Params, intent_id: str) -> Thing:
    method, off_session = params.text("payment_method"), params.flag("off_session")
    params.text("return_url")
    params.end()
    intent = world.store.get("payment_intent", intent_id)
    if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
        raise ApiError(f"This PaymentIntent's status is {intent['status']}.", code="payment_intent_unexpected_state")
    _confirm(world, intent, method or required_method(intent), present=not off_session)
    return intent


def required_method(intent: Thing) -> str:
    if intent["payment_method"] is None:
        raise required("payment_method")
    return str(intent["payment_method"])


@route("POST", "/v1/payment_intents/{}/cancel")
def cancel_intent(world: World, params: Params, intent_id: str) -> Thing:
    reason = params.text("cancellation_reason")
    params.end()
    intent = world.store.get("payment_intent", intent_id)
    if intent["status"] in ("succeeded", "canceled"):
        raise ApiError(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    intent.update(status="canceled", canceled_at=world.now(), cancellation_reason=reason)
    world.emit("payment_intent.canceled", intent)
    return intent


@route("POST", "/v1/payment_intents/{}")
def update_intent(world: World, params: Params, intent_id: str) -> Thing:
    intent = world.store.get("payment_intent", intent_id)
    given = {name: params.text(name) for name in ("description", "receipt_email") if name in params}
    metadata = params.metadata(intent["metadata"])
    params.end()
    intent.update(given, metadata=metadata)
    return intent


@route("GET", "/v1/payment_intents/{}")
def get_intent(world: World, params: Params, intent_id: str) -> Thing:
    params.end()
    return world.store.get("payment_intent", intent_id)


@route("GET", "/v1/payment_intents")
def list_intents(world: World, params: Params) -> Thing:
    return page(world, params, "/v1/payment_intents", filtered(world, params, "payment_intent", "customer"))


@route("GET", "/v1/charges/{}")
def get_charge(world: World, params: Params, charge_id: str) -> Thing:
    params.end()
    return world.store.get("charge", charge_id)


@route("POST", "/v1/charges/{}")
def update_charge(world: World, params: Params, charge_id: str) -> Thing:
    charge = world.store.get("charge", charge_id)
    given = {name: params.text(name) for name in ("description", "receipt_email") if name in params}
    metadata = params.metadata(charge["metadata"])
    params.end()
    with world.changing(charge, "charge.updated"):
        charge.update(given, metadata=metadata)
    return charge


@route("GET", "/v1/charges")
def list_charges(world: World, params: Params) -> Thing:
    return page(world, params, "/v1/charges", filtered(world, params, "charge", "customer", "payment_intent"))


@route("POST", "/v1/refunds")
def create_refund(world: World, params: Params) -> Thing:
    charge_id, intent_id = params.text("charge"), params.text("payment_intent")
    amount, metadata = params.number("amount", least=1), params.metadata()
    reason = params.text("reason")
    params.end()
    if intent_id is not None:
        intent = world.store.get("payment_intent", intent_id, param="payment_intent")
        charge_id = charge_id or intent["latest_charge"]
        if intent["status"] != "succeeded":
            raise ApiError("This PaymentIntent does not have a successful charge to refund.", param="payment_intent")
    if charge_id is None:
        raise required("charge")
    charge = world.store.get("charge", charge_id, param="charge")
    return returns.refund(world, charge, amount=amount, reason=reason, metadata=metadata)


@route("GET", "/v1/refunds/{}")
def get_refund(world: World, params: Params, refund_id: str) -> Thing:
    params.end()
    return world.store.get("refund", refund_id)


@route("GET", "/v1/refunds")
def list_refunds(world: World, params: Params) -> Thing:
    return page(world, params, "/v1/refunds", filtered(world, params, "refund", "charge", "payment_intent"))


@route("GET", "/v1/charges/{}/refunds")
def list_refunds_of(world: World, params: Params, charge_id: str) -> Thing:
    world.store.get("charge", charge_id)
    return page(
        world, params, f"/v1/charges/{charge_id}/refunds", world.store.all("refund", charge=charge_id), dated=False
    )


@route("GET", "/v1/disputes/{}")
def get_dispute(world: World, params: Params, dispute_id: str) -> Thing:
    params.end()
    return world.store.get("dispute", dispute_id)


@route("GET", "/v1/disputes")
def list_disputes(world: World, params: Params) -> Thing:
    return page(world, params, "/v1/disputes", filtered(world, params, "dispute", "charge", "payment_intent"))


@route("POST", "/v1/disputes/{}")
def update_dispute(world: World, params: Params, dispute_id: str) -> Thing:
    """Evidence; the words that Stripe's test mode decides by decide here, too."""
    opened = world.store.get("dispute", dispute_id)
    level = params.inside("evidence")
    evidence = {name: level.text(name) for name in returns.EVIDENCE if name in level}
    submit, metadata = params.flag("submit", True), params.metadata(opened["metadata"])
    params.end()
    with world.changing(opened, "charge.dispute.updated"):
        opened["evidence"] = {**opened["evidence"], **evidence}
        opened["metadata"] = metadata
        opened["evidence_details"] = {**opened["evidence_details"], "has_evidence": bool(evidence)}
        if submit and evidence:
            opened["status"] = "under_review"
            opened["evidence_details"]["submission_count"] += 1
    word = opened["evidence"]["uncategorized_text"]
    if submit and word in ("winning_evidence", "losing_evidence"):
        returns.close_dispute(world, opened, won=word == "winning_evidence")
    return opened


@route("POST", "/v1/disputes/{}/close")
def close_dispute(world: World, params: Params, dispute_id: str) -> Thing:
    params.end()
    opened = world.store.get("dispute", dispute_id)
    returns.close_dispute(world, opened, won=False)
    return opened


@route("GET", "/v1/balance_transactions/{}")
def get_transaction(world: World, params: Params, transaction_id: str) -> Thing:
    params.end()
    return world.store.get("balance_transaction", transaction_id)


@route("GET", "/v1/balance_transactions")
def list_transactions(world: World, params: Params) -> Thing:
    found = filtered(world, params, "balance_transaction", "source", "type", "currency")
    return page(world, params, "/v1/balance_transactions", found)
