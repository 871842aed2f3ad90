"""Whom a command is about."""

from django.core.management.base import CommandError

from accounts.actions import create_verified
from accounts.models import User


def person(email: str, *, create: bool = False) -> User:
    """The account of an address; with `create` a missing one is made."""
    user = User.objects.filter(email__iexact=email).first()
    if user is not None:
        return user
    if not create:
        raise CommandError(f"There is no account of {email}. Add --create to make it.")
    return create_verified(email=email)
