"""Every line of a purse as a table for a spreadsheet, row by row, however many there are."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable

from accounts.models import User
from billing.models import CreditTransaction
from billing.queries import entries_of

BYTE_ORDER_MARK = "\ufeff"  # by which spreadsheets know that it is UTF-8
AT_ONCE = 500  # rows read from the database
COLUMNS = ("at", "kind", "what", "amount", "balance", "held", "counted", "tool", "job", "id")

# A cell that begins so is a formula to a spreadsheet, and what people wrote stands in these cells.
_FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


async def table(user: User) -> AsyncIterator[str]:
    """From the first line to the newest, with the holds, so that the amounts add up to the balance."""
    yield BYTE_ORDER_MARK + _row(COLUMNS)
    async for line in entries_of(user).order_by("pk").aiterator(chunk_size=AT_ONCE):
        yield _row(_cells(line))


def _cells(line: CreditTransaction) -> Iterable[object]:
    hold = line.hold
    counted = "; ".join(f"{label}: {credits}" for label, credits in line.parts)
    return (
        line.at.isoformat(timespec="seconds"),
        line.kind,
        harmless(line.say),
        line.amount,
        line.balance,
        hold.amount if hold and line.kind == CreditTransaction.Kind.HOLD else "",
        harmless(counted),
        hold.tool if hold else "",
        line.job or "",
        line.public_id,
    )


def harmless(text: str) -> str:
    """The text as a spreadsheet shows it and never runs it."""
    return f"'{text}" if text.lstrip().startswith(_FORMULAS) or text.startswith(("\t", "\r", "\n")) else text


def _row(cells: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
