"""Ending everything that somebody would go on paying for: when they leave, and when they are shut out."""

from __future__ import annotations

from functools import partial
from typing import Any

import stripe
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from billing.models import StripeCustomer
from billing.payments.bell import ring
from billing.payments.checkout import close_visits, living
from billing.payments.client import Found, id_of, is_gone, stripe_client


def end_all(*, customer: StripeCustomer, key: str) -> None:
    """Close every visit to Checkout and end every subscription at once. `key`: the same call again does no more."""
    close_visits(user=customer.user)
    for subscription in living(customer.customer):
        release(subscription)
        options: Any = {"idempotency_key": f"stop:{key}:{subscription['id']}"}
        try:
            stripe_client().v1.subscriptions.cancel(subscription["id"], {}, options)
        except stripe.InvalidRequestError as error:
            if not is_gone(error):  # it has ended meanwhile
                raise


def release(subscription: Found) -> None:
    """A schedule holds the subscription: what it had in mind is given up."""
    schedule = id_of(subscription.get("schedule"))
    if schedule:
        stripe_client().v1.subscription_schedules.release(schedule)


def end_when_banned(*, user: User, **_signal: object) -> None:
    """Who was shut out cannot use what they pay for: the settling ends it, and tries again while Stripe is away."""
    # not before the commit: whoever settles holds the row while Stripe answers, and a ban does not wait for that.
    # Should this be lost, the reconcile of the night asks for everybody
    transaction.on_commit(partial(_ask, user.pk), robust=True)


def _ask(user_id: int) -> None:
    StripeCustomer.objects.filter(user=user_id).update(asked_at=timezone.now(), settled_at=None)
    ring()
