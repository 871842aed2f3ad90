"""`credits grant artist@example.com 500`, `credits show artist@example.com`, `credits audit`."""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts import audit as trail
from accounts.management.people import person
from billing import ledger
from billing.audit import audit
from billing.plans import plan_of
from billing.queries import lines_of

MOST = 1_000_000  # a slip of the finger, not a gift


class Command(BaseCommand):
    help = "Grant credits, show a person's credits, or check every balance against its entries."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        grant = verbs.add_parser("grant", help="bring credits in")
        grant.add_argument("email")
        grant.add_argument("amount", type=int)
        grant.add_argument("--say", default="A gift of the house", help="the sentence on the credits page")
        grant.add_argument("--create", action="store_true", help="make the account; its address counts as verified")
        show = verbs.add_parser("show", help="the balance and the newest lines")
        show.add_argument("email")
        look = verbs.add_parser("audit", help="rebuild each balance from its entries and report what drifted")
        look.add_argument("--mend", action="store_true", help="set the balances to what their entries say")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "grant":
            self._grant(**options)
        elif options["verb"] == "show":
            self._show(**options)
        else:
            self._audit(**options)

    @transaction.atomic
    def _grant(self, email: str, amount: int, say: str, create: bool, **options: Any) -> None:
        if not 0 < amount <= MOST:
            raise CommandError(f"Grant between 1 and {MOST:,} credits.")
        user = person(email, create=create)
        ref = f"terminal:{uuid.uuid4()}"
        ledger.grant(user=user, amount=amount, source_ref=ref, say=say)
        detail = {"amount": amount, "ref": ref, "say": say}
        trail.record(actor=None, verb="credits.grant", target_kind="user", target=user.public_id, detail=detail)
        self.stdout.write(f"{user.email} has {ledger.account_of(user).available} credits to spend.")

    def _show(self, email: str, **options: Any) -> None:
        user = person(email)
        account = ledger.account_of(user)
        self.stdout.write(f"{user.email} · {plan_of(user).name}: {account.available} to spend, {account.held} held")
        for line in lines_of(user)[:20]:
            self.stdout.write(f"{line.at:%Y-%m-%d %H:%M}  {line.amount:+6d}  {line.balance:6d}  {line.say}")

    def _audit(self, mend: bool, **options: Any) -> None:
        """Its last line is for machines; the exit status tells them whether anything had drifted."""
        report = audit(mend=mend)
        for drift in report.drifts:
            self.stdout.write(f"{drift}{': mended where it is a cached figure' if mend else ''}")
        for hold in report.orphans:
            self.stdout.write(f"{hold.account.user}: {hold} is unresolved and no job will resolve it")
        self.stdout.write(json.dumps(report.as_json()))
        if report.drifts:
            sys.exit(1)
