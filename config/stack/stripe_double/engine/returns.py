"""Money that goes back: refunds and disputes."""

from __future__ import annotations

from config.stack.stripe_double.clock import DAY
from config.stack.stripe_double.engine import payments
from config.stack.stripe_double.errors import ApiError, invalid
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World

_DISPUTE_FEE = 1500


def refund(
    world: World, charge: Thing, *, amount: int | None, reason: str | None, metadata: dict[str, str] | None = None
) -> Thing:
    """Give back a part or all (None: what is left)."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    if not charge["paid"] or left <= 0:
        raise ApiError(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if charge["disputed"]:
        raise ApiError(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    asked = left if amount is None else amount
    if asked > left:
        raise invalid("amount", f"Refund amount (${asked / 100:.2f}) is greater than unrefunded amount on charge.")
    made: Thing = {
        "id": new_id("re"),
        "object": "refund",
        "amount": asked,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": world.now(),
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {
            "card": {"reference": None, "reference_status": "pending", "reference_type": None, "type": "refund"},
            "type": "card",
        },
        "metadata": metadata or {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
    world.store.add(made)
    made["balance_transaction"] = payments.book(world, made, -asked, kind="refund", fee=0)["id"]
    before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    charge["amount_refunded"] += asked
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    world.emit("refund.created", made)
    world.emit("charge.refunded", charge, before=before)
    return made


def dispute(world: World, charge: Thing, *, reason: str = "fraudulent", amount: int | None = None) -> Thing:
    """The card's owner disputes the payment: the money and a fee are taken back at once."""
    if charge["disputed"]:
        raise ApiError(f"Charge {charge['id']} is disputed already.")
    asked = amount or charge["amount"] - charge["amount_refunded"]
    opened: Thing = {
        "id": new_id("du"),
        "object": "dispute",
        "amount": asked,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": world.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(EVIDENCE) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": world.now() + 7 * DAY,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10"},
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    }
    world.store.add(opened)
    charge["disputed"] = True
    world.emit("charge.dispute.created", opened)
    taken = payments.book(
        world, {**opened, "description": "Chargeback withdrawal"}, -asked, kind="adjustment", fee=_DISPUTE_FEE
    )
    opened["balance_transactions"].append(taken)
    world.emit("charge.dispute.funds_withdrawn", opened)
    return opened


def close_dispute(world: World, opened: Thing, *, won: bool) -> None:
    """The bank has decided."""
    if opened["status"] in ("won", "lost"):
        raise ApiError("This dispute is already closed.")
    opened["status"] = "won" if won else "lost"
    if won:
        described = {**opened, "description": "Chargeback reversal"}
        back = payments.book(world, described, opened["amount"], kind="adjustment", fee=-_DISPUTE_FEE)
        opened["balance_transactions"].append(back)
        world.emit("charge.dispute.funds_reinstated", opened)
    world.emit("charge.dispute.closed", opened)


EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation",
    "duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier",
    "shipping_date", "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip
