"""Who a person is at Stripe. Their name there is our public id, kept in the customer's metadata."""

from __future__ import annotations

import uuid
from typing import Any

import stripe
import structlog
from django.conf import settings
from django.db import transaction

from accounts.models import User
from billing.models import StripeCustomer
from billing.payments.client import Found, is_gone, plain, stripe_client

log = structlog.get_logger(__name__)

OWNER = "user"  # the metadata's field that names the person


@transaction.atomic
def customer_of(user: User) -> StripeCustomer:
    """The person's customer at Stripe, made when first asked for, and once however often that is at the same time."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    row = StripeCustomer.objects.filter(user=user).first()
    if row is not None and row.livemode == settings.STRIPE_LIVE_MODE and _is_there(row.customer):
        return row
    # a backup may have lost our row, so Stripe is asked before another customer is made
    customer = _known(user) or _made(user, instead_of=row)
    row, _ = StripeCustomer.objects.update_or_create(
        user=user, defaults={"customer": customer, "livemode": settings.STRIPE_LIVE_MODE}
    )
    return row


def adopt(customer: str) -> StripeCustomer | None:
    """The row of a customer, made anew from what Stripe knows where we lost it. None: nobody of ours."""
    row = StripeCustomer.objects.filter(customer=customer).first()
    if row is not None:
        return row
    try:
        found = plain(stripe_client().v1.customers.retrieve(customer))
    except stripe.InvalidRequestError as error:
        if is_gone(error):
            return None
        raise
    user = _owner(found)
    if user is None:
        return None
    row, made = StripeCustomer.objects.get_or_create(
        user=user, defaults={"customer": customer, "livemode": settings.STRIPE_LIVE_MODE}
    )
    if row.customer != customer:  # a second customer of the same person: staff has to look
        log.warning("stripe_customer_twice", customer=customer, known=row.customer)
        return None
    log.info("stripe_customer_adopted", customer=customer, made=made)
    return row


def _owner(found: Found) -> User | None:
    try:
        name = uuid.UUID(str((found.get("metadata") or {}).get(OWNER, "")))
    except ValueError:
        return None
    return User.objects.filter(public_id=name).first()


def _is_there(customer: str) -> bool:
    """Whether Stripe still has it: deleted there by hand, or made at another account, it is of no use."""
    try:
        return not plain(stripe_client().v1.customers.retrieve(customer)).get("deleted")
    except stripe.InvalidRequestError as error:
        if is_gone(error):
            return False
        raise


def _known(user: User) -> str | None:
    found = stripe_client().v1.customers.list({"email": user.email, "limit": 100})
    for one in (plain(each) for each in found.data):
        if (one.get("metadata") or {}).get(OWNER) == str(user.public_id):
            return str(one["id"])
    return None


def _made(user: User, *, instead_of: StripeCustomer | None) -> str:
    params: Any = {"email": user.email, "name": user.display_name, "metadata": {OWNER: str(user.public_id)}}
    key = f"customer:{user.public_id}:{instead_of.customer if instead_of else 'first'}"
    made = stripe_client().v1.customers.create(params, {"idempotency_key": key})
    log.info("stripe_customer_made", customer=made.id)
    return str(made.id)
