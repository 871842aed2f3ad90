"""`api_token artist@example.com --create` prints a token for the API, and nothing else, on stdout."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.management.people import person
from accounts.models import Scope
from accounts.tokens import create_token
from config.kit.errors import Refusal


class Command(BaseCommand):
    help = "Print a new API token of this person; it is shown only once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--create", action="store_true", help="make the account; its address counts as verified")
        parser.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            help="what it may do, repeated for several; without it everything",
        )
        parser.add_argument("--name", default="made in the terminal", help="what the token is for")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = person(options["email"], create=options["create"])
            if not user.is_active:
                raise CommandError(f"{user.email} is {user.state}: a token of that account would open nothing.")
            _, plain = create_token(user=user, name=options["name"], scopes=options["scope"] or Scope.values)
        except Refusal as refusal:
            raise CommandError(refusal.say) from refusal
        self.stdout.write(plain)
