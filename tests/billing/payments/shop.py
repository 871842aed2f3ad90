"""What tests of payments ask for again and again."""

from __future__ import annotations

from accounts.models import User
from billing.models import StripeCustomer


def customer_of(user: User) -> str:
    """Who they are at Stripe: `cus_…`."""
    return StripeCustomer.objects.get(user=user).customer
