"""`manage.py stripe_sync`: what at Stripe differs from the catalogue; with `--apply` it is brought in line."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import stripe
from django.core.management.base import BaseCommand, CommandError

from billing.payments import is_on
from billing.payments.offering import NotOurs, Step, steps


class Command(BaseCommand):
    help = "Compare Stripe's products and prices with the catalogue; --apply creates and changes them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--apply", action="store_true", help="do it; without this nothing is changed")

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_on():
            raise CommandError("No STRIPE_SECRET_KEY is set (docs/payments.md).")
        try:
            found = steps()
            self._show(found)
            if options["apply"]:
                for step in found:
                    step.do()
        except NotOurs as error:
            raise CommandError(f"{error} Give it another lookup key at Stripe, then run this again.") from error
        except stripe.StripeError as error:
            raise CommandError(f"Stripe answered: {error}") from error
        if not found:
            self.stdout.write("Nothing to do: Stripe has what the catalogue has.")
        elif options["apply"]:
            self.stdout.write(self.style.SUCCESS(f"Done: {len(found)} changes."))
        else:
            self.stdout.write(f"{len(found)} differences. Nothing was changed; run it with --apply to do so.")

    def _show(self, found: list[Step]) -> None:
        rows = [("offer", "what", "at Stripe", "in the catalogue")] if found else []
        rows += [(step.offer, step.what, step.now or "—", step.then) for step in found]
        widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else []
        for row in rows:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
