"""Drafts of invoices: their lines and their sums."""

from __future__ import annotations

from collections.abc import Sequence

from config.stack.stripe_double.engine.discounts import taken_off_by
from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World, listing

TAX_RATE = "txr_double"


def line(
    world: World, price: Thing, *, amount: int, start: int, end: int, subscription: Thing | None, **more: object
) -> Thing:
    """One line that is not yet on an invoice."""
    item = more.pop("item", None)
    proration = bool(more.pop("proration", False))
    quantity = more.pop("quantity", 1)
    product = world.store.get("product", price["product"])
    parent: Thing | None = None
    if subscription is not None and isinstance(item, str):
        parent = {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": proration,
                "proration_details": {"credited_items": None},
                "subscription": subscription["id"],
                "subscription_item": item,
            },
            "type": "subscription_item_details",
        }
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": more.pop("description", None) or f"{quantity} × {product['name']}",
        "discount_amounts": [],
        "discountable": not proration,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": dict(subscription["metadata"]) if subscription else {},
        "parent": parent,
        "period": {"end": end, "start": start},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": subscription["id"] if subscription else None,
        "subtotal": amount,
        "taxes": [],
    }


def make_invoice(
    world: World,
    customer: Thing,
    lines: Sequence[Thing],
    *,
    reason: str,
    currency: str,
    subscription: Thing | None = None,
    discounts: Sequence[str] = (),
    taxed: bool = False,
    metadata: dict[str, str] | None = None,
    kept: bool = True,
) -> Thing:
    """A draft with its sums. `kept=False` is a preview: nothing remembers it and no news is made."""
    invoice_id = new_id("in") if kept else f"upcoming_{new_id('in')}"
    now = world.now()
    starts = [entry["period"]["start"] for entry in lines] or [now]
    ends = [entry["period"]["end"] for entry in lines] or [now]
    invoice: Thing = {
        **_unchanging(),
        "id": invoice_id,
        "object": "invoice",
        "auto_advance": True,
        "automatic_tax": _automatic_tax(taxed),
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "created": now,
        "currency": currency,
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "default_payment_method": None,
        "discounts": list(discounts),
        "lines": listing(f"/v1/invoices/{invoice_id}/lines", list(lines)),
        "metadata": metadata or {},
        "parent": _parent(subscription),
        "period_end": now if reason == "subscription_create" else max(ends),
        "period_start": now if reason == "subscription_create" else min(starts),
    }
    for entry in lines:
        entry["invoice"] = invoice_id
    if reason == "subscription_cycle" and subscription is not None:
        # the period of an invoice looks back at what was used, its lines ahead at what is paid
        invoice["period_start"], invoice["period_end"] = world.store.behind_of(subscription["id"]).get(
            "last_period", (min(starts), max(ends))
        )
    add_up(world, invoice, customer, taxed=taxed)
    if kept:
        world.store.add(invoice)
        world.emit("invoice.created", invoice)
    return invoice


def _unchanging() -> Thing:
    return {
        "account_country": "US",
        "account_name": "The double (no money moves)",
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "collection_method": "charge_automatically",
        "custom_fields": None,
        "customer_account": None,
        "customer_tax_ids": [],
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "livemode": False,
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "test_clock": None,
        "threshold_reason": None,
        "webhooks_delivered_at": None,
    }


def _automatic_tax(taxed: bool) -> Thing:
    return {
        "disabled_reason": None,
        "enabled": taxed,
        "liability": {"type": "self"} if taxed else None,
        "provider": "stripe" if taxed else None,
        "status": "complete" if taxed else None,
    }


def _parent(subscription: Thing | None) -> Thing | None:
    if subscription is None:
        return None
    return {
        "quote_details": None,
        "subscription_details": {"metadata": dict(subscription["metadata"]), "subscription": subscription["id"]},
        "type": "subscription_details",
    }


def add_up(world: World, invoice: Thing, customer: Thing, *, taxed: bool) -> None:
    """Sums, discounts, tax, and what the customer has to their credit."""
    lines = invoice["lines"]["data"]
    percent = world.settings.tax_percent if taxed else 0.0
    by_discount: dict[str, int] = {}
    for entry in lines:
        if entry["discountable"]:
            taken = taken_off_by(world, invoice["discounts"], entry["subtotal"])
            entry["discount_amounts"] = [{"amount": off, "discount": one} for one, off in taken.items()]
        left = entry["subtotal"]
        for one in entry["discount_amounts"]:
            left -= one["amount"]
            by_discount[one["discount"]] = by_discount.get(one["discount"], 0) + one["amount"]
        price = world.store.get("price", entry["pricing"]["price_details"]["price"])
        inclusive = price["tax_behavior"] == "inclusive"
        tax = round(left * percent / (100 + percent)) if inclusive else round(left * percent / 100)
        if taxed:
            entry["taxes"] = [tax_line(tax, left - tax if inclusive else left, inclusive=inclusive)]
    subtotal = sum(entry["subtotal"] for entry in lines)
    taxes = [tax for entry in lines for tax in entry["taxes"]]
    added = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    total = subtotal - sum(by_discount.values()) + added
    credit = max(-customer["balance"], 0)  # a negative balance is to the customer's credit
    due = max(total - credit, 0)
    invoice.update(
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal - sum(t["amount"] for t in taxes if t["tax_behavior"] == "inclusive"),
        total=total,
        total_excluding_tax=total - sum(tax["amount"] for tax in taxes),
        total_discount_amounts=[{"amount": off, "discount": di} for di, off in by_discount.items()],
        total_pretax_credit_amounts=[
            {"amount": off, "discount": di, "type": "discount"} for di, off in by_discount.items()
        ],
        total_taxes=taxes,
        starting_balance=customer["balance"],
        amount_due=due,
        amount_remaining=due,
    )


def tax_line(amount: int, taxable: int, *, inclusive: bool) -> Thing:
    return {
        "amount": amount,
        "tax_behavior": "inclusive" if inclusive else "exclusive",
        "tax_rate_details": {"tax_rate": TAX_RATE},
        "taxability_reason": "standard_rated",
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    }
