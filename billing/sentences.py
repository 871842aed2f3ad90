"""A line of the ledger as a person reads it: what happened, why it cost that, and the sum it unfolds into."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.models import CreditHold, CreditTransaction

Kind = CreditTransaction.Kind


@dataclass(frozen=True)
class Line:
    """`sum` is what “How this was counted” shows: labels and figures, the last one being the result."""

    row: CreditTransaction
    say: str
    sum: list[tuple[str, int]]


def told(row: CreditTransaction) -> Line:
    """The line of one transaction."""
    if row.hold is not None:
        return Line(row, _about(row, row.hold), _sum(row, row.hold))
    others = {Kind.EXPIRE: _("They were not used in time."), Kind.ADJUST: _("Set right by the staff.")}
    return Line(row, others.get(Kind(row.kind), ""), [])


def _about(row: CreditTransaction, hold: CreditHold) -> str:
    if row.kind == Kind.REFUND:
        return _("Given back after it had been paid.")
    if row.kind == Kind.HOLD:
        return ngettext(
            "%(n)d credit is held until it ends; only what is delivered is paid.",
            "%(n)d credits are held until it ends; only what is delivered is paid.",
            hold.amount,
        ) % {"n": hold.amount}
    if row.kind == Kind.RELEASE:
        return ngettext(
            "Nothing was taken: the %(n)d credit that was held is back.",
            "Nothing was taken: the %(n)d credits that were held are back.",
            hold.amount,
        ) % {"n": hold.amount}
    if hold.released:
        return _("%(paid)d of the %(held)d credits held were paid; the rest is back.") % {
            "paid": hold.captured,
            "held": hold.amount,
        }
    return _("Everything that was ordered was delivered.") if hold.amount > 1 else ""


def _sum(row: CreditTransaction, hold: CreditHold) -> list[tuple[str, int]]:
    if row.kind == Kind.REFUND or hold.amount <= 1:  # one credit needs no sum
        return []
    held = (_("held when it began"), hold.amount)
    if row.kind == Kind.HOLD:
        return [held, (_("still held, back to you if nothing comes of it"), hold.amount)]
    return [held, (_("paid for what was delivered"), -hold.captured), (_("back to you"), hold.released)]
