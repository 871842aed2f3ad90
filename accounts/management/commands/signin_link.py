"""`signin_link artist@example.com --create` prints an address that signs its reader in once."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from accounts.actions import create_sign_in_link
from accounts.loopback import serves_loopback_only
from accounts.management.people import person
from config.kit.errors import Refusal


class Command(BaseCommand):
    help = "Print a one-time sign-in link; it lasts ten minutes and works on this machine only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--create", action="store_true", help="make the account; its address counts as verified")

    def handle(self, *args: Any, **options: Any) -> None:
        if not serves_loopback_only():
            raise CommandError(
                "Sign-in links exist only where the server is reached on its own machine; "
                f"this one is {settings.PUBLIC_URL}. Sign in with the password, or reset it by mail."
            )
        try:
            user = person(options["email"], create=options["create"])
            plain = create_sign_in_link(user=user)
        except Refusal as refusal:
            raise CommandError(refusal.say) from refusal
        self.stdout.write(settings.PUBLIC_URL + reverse("accounts:use_link", args=[plain]))
