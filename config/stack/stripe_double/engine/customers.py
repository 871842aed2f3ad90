"""Who pays."""

from __future__ import annotations

import secrets

from config.stack.stripe_double.store import Thing, new_id
from config.stack.stripe_double.world import World

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def make_customer(world: World, *, email: str | None, name: str | None, **fields: object) -> Thing:
    customer: Thing = {
        "id": new_id("cus", 14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": world.now(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": email,
        "invoice_prefix": "".join(secrets.choice(_LETTERS) for _ in range(8)),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": name,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
        **fields,
    }
    world.store.add(customer)
    world.emit("customer.created", customer)
    return customer
