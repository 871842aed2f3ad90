"""A line of the ledger as a person reads it: what happened, why it cost that, and the sum it unfolds into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.models import CreditEntry, CreditHold, CreditTransaction

Kind = CreditTransaction.Kind
Sum = list[tuple[str, int]]
AT_ONCE = timedelta(seconds=1)  # the holds of one order are made in one transaction


@dataclass(frozen=True)
class Line:
    """`row` is its transaction, or the newest of those that it tells together.

    `sum` is what “How this was counted” shows: labels and figures, the last one being the result.
    """

    row: CreditTransaction
    title: str
    say: str
    amount: int
    sum: Sum


def told_all(rows: Sequence[CreditTransaction]) -> list[Line]:
    """The lines of these transactions, newest first. What was ordered together and paid in a row is one line."""
    orders: list[list[CreditTransaction]] = []
    for row in rows:
        if orders and _ordered_together(orders[-1][-1], row):
            orders[-1].append(row)
        else:
            orders.append([row])
    return [_of_order(order) if len(order) > 1 else told(order[0]) for order in orders]


def _ordered_together(one: CreditTransaction, other: CreditTransaction) -> bool:
    if one.kind != Kind.CAPTURE or other.kind != Kind.CAPTURE or one.hold is None or other.hold is None:
        return False
    return one.hold.say == other.hold.say and abs(one.hold.created_at - other.hold.created_at) < AT_ONCE


def _of_order(order: list[CreditTransaction]) -> Line:
    row, held = order[0], order[0].hold
    words = {"n": len(order), "what": held.say if held else row.say}
    each = {-one.amount for one in order}
    pieces = [(one.say, one.amount) for one in reversed(order)]
    amount = sum(one.amount for one in order)
    say = ngettext("%(n)d credit each.", "%(n)d credits each.", max(each)) % {"n": max(each)} if len(each) == 1 else ""
    return Line(row, _("%(n)d × %(what)s") % words, say, amount, [*pieces, (_("together"), amount)])


def told(row: CreditTransaction) -> Line:
    """The line of one transaction; its hold and its entries are best at hand."""
    if row.hold is not None and row.kind != Kind.REFUND:
        return Line(row, row.say, _about(row, row.hold), row.amount, _of_work(row, row.hold))
    return Line(row, row.say, _reason(row), row.amount, _of_debt(row))


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
        return [(_("taken back"), -row.amount - debt), (_("taken from your balance"), row.amount), (_("owed"), -debt)]
    return []
