"""For somebody who lost phone, key and recovery codes, once their operator is sure who asks."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts import audit, sessions
from accounts.management.people import person


class Command(BaseCommand):
    help = "Take a person's second step away, so that they can sign in and set up a new one; ends their sessions."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    @transaction.atomic
    def handle(self, *args: Any, email: str, **options: Any) -> None:
        user = person(email)
        if not Authenticator.objects.filter(user=user).exists():
            raise CommandError(f"{user.email} has no second step.")
        Authenticator.objects.filter(user=user).delete()
        sessions.end_other_sessions(user=user, keep="")
        audit.record(actor=None, verb="second_step.remove", target_kind="user", target=user.public_id)
        self.stdout.write(f"{user.email} signs in without a second step now, and is signed out everywhere.")
