"""After a change of ENCRYPTION_KEYS or SECRET_KEY: put every sealed secret under the key that comes first now."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from config.kit import sealing

NAMES = ("secret", "seed")  # of a code from an app, of recovery codes


class Command(BaseCommand):
    help = "Put every secret that lies sealed in the database under the first key; then older keys can go."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        done = 0
        for step in Authenticator.objects.select_for_update().exclude(type=Authenticator.Type.WEBAUTHN):
            try:
                step.data |= {name: sealing.reseal(step.data[name]) for name in NAMES if name in step.data}
            except sealing.Unreadable as error:
                raise CommandError(f"{error} Nothing was changed.") from error
            step.save(update_fields=["data"])
            done += 1
        self.stdout.write(f"{done} sealed again. Once every process has the new keys, the others can go.")
