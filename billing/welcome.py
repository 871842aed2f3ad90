"""A new account's free credits: once a mailbox, when an address of its account is proven."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.crypto import salted_hmac

from accounts.models import User
from billing import ledger
from billing.models import CreditGrant, Welcomed
from billing.plans import FREE_CREDITS

_ONE_BOX_WITH_DOTS = {"gmail.com", "googlemail.com"}  # there dots in a name mean nothing


@transaction.atomic
def give_free_credits(user: User, **kwargs: Any) -> None:
    """Receiver of `accounts.signals.email_verified`; a second address, or the same one again, brings nothing more.

    Nor does a second account of the same mailbox, be it after the first one was closed.
    """
    source_ref = f"free:{user.public_id}"
    # asked first, because the catalogue's figure may have changed since
    if CreditGrant.objects.filter(source_ref=source_ref).exists():
        return
    _row, is_new = Welcomed.objects.get_or_create(mailbox=mailbox_of(user.email))
    if is_new:
        ledger.grant(user=user, amount=FREE_CREDITS, source_ref=source_ref, say="Welcome: credits to begin with")


def mailbox_of(email: str) -> str:
    """The keyed hash of where mail to this address ends up: tags behind a + are the same box."""
    name, _at, domain = email.lower().rpartition("@")
    name = name.partition("+")[0]
    if domain in _ONE_BOX_WITH_DOTS:
        name, domain = name.replace(".", ""), "gmail.com"
    return salted_hmac("billing.welcome", f"{name}@{domain}", algorithm="sha256").hexdigest()
