"""A new account's free credits: once a person, when an address of theirs is proven."""

from __future__ import annotations

from typing import Any

from accounts.models import User
from billing import ledger
from billing.models import CreditGrant
from billing.plans import FREE_CREDITS


def give_free_credits(user: User, **kwargs: Any) -> None:
    """Receiver of `accounts.signals.email_verified`; a second address, or the same one again, brings nothing more."""
    source_ref = f"free:{user.public_id}"
    # asked first, because the catalogue's figure may have changed since
    if not CreditGrant.objects.filter(source_ref=source_ref).exists():
        ledger.grant(user=user, amount=FREE_CREDITS, source_ref=source_ref, say="Welcome: credits to begin with")
