"""A line of the ledger as a person reads it: what happened, why it cost that, and the sum it unfolds into."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.models import CreditEntry, CreditHold, CreditTransaction

Kind = CreditTransaction.Kind
Sum = list[tuple[str, int]]


@dataclass(frozen=True)
class Line:
    """`sum` is what “How this was counted” shows: labels and figures, the last one being the result."""

    row: CreditTransaction
    say: str
    sum: Sum


def told(row: CreditTransaction) -> Line:
    """The line of one transaction; its hold and its entries are best at hand."""
    if row.hold is not None and row.kind != Kind.REFUND:
        return Line(row, _about(row, row.hold), _of_work(row, row.hold))
    return Line(row, _reason(row), _of_debt(row))


def _about(row: CreditTransaction, hold: CreditHold) -> str:
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


def _of_work(row: CreditTransaction, hold: CreditHold) -> Sum:
    if hold.amount <= 1:  # one credit needs no sum
        return []
    held = (_("held when it began"), hold.amount)
    if row.kind == Kind.HOLD:
        return [held, (_("still held, back to you if nothing comes of it"), hold.amount)]
    pieces = [(str(label), -int(credits)) for label, credits in row.parts]
    paid = pieces or [(_("paid for what was delivered"), -hold.captured)]
    return [held, *paid, (_("back to you"), hold.released)]


def _reason(row: CreditTransaction) -> str:
    match row.kind:
        case Kind.REFUND:
            return _("Given back after it had been paid.")
        case Kind.EXPIRE if row.key.startswith("carry:"):
            return _("More than is carried over into the next month.")
        case Kind.EXPIRE:
            return _("They were not used in time.")
        case Kind.ADJUST:
            return _("Set right by the staff.")
        case Kind.REVOKE:
            return _("The money went back, and its credits with it.")
        case Kind.REINSTATE:
            return _("What was taken back is yours again.")
    return ""


def _of_debt(row: CreditTransaction) -> Sum:
    """Where a debt was made or paid, the line's amount alone does not tell what came in or went."""
    debt = sum(entry.amount for entry in row.entries.all() if entry.bucket == CreditEntry.Bucket.DEBT)
    if debt > 0:
        return [(_("came in"), row.amount + debt), (_("paid what was owed"), -debt), (_("to spend"), row.amount)]
    if debt < 0:
        return [(_("taken back"), row.amount + debt), (_("taken from your balance"), row.amount), (_("owed"), -debt)]
    return []
