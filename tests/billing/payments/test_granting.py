"""What a paid month is called in the ledger and on the receipt."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from billing.payments.fetching import Affairs
from billing.payments.granting import incoming


def noon(year: int, month: int) -> int:
    return int(datetime(year, month, 20, 12, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("start", "end", "say"),
    [
        (noon(2026, 11), noon(2026, 12), "Pro, 20 November to 20 December 2026"),
        (noon(2026, 12), noon(2027, 1), "Pro, 20 December 2026 to 20 January 2027"),
    ],
)
def test_a_month_names_both_years_where_they_differ(start: int, end: int, say: str) -> None:
    line = {
        "amount": 2999,
        "period": {"start": start, "end": end},
        "pricing": {"price_details": {"price": "price_1"}},
    }
    invoice = {
        "id": "in_1",
        "created": start,
        "status": "paid",
        "total": 2999,
        "amount_paid": 2999,
        "currency": "usd",
        "status_transitions": {"paid_at": start},
        "lines": {"data": [line]},
    }
    prices = {"price_1": {"id": "price_1", "unit_amount": 2999, "metadata": {"offer": "plan_pro_month"}}}
    [month] = incoming(Affairs(customer={}, invoices=[invoice], prices=prices))
    assert month.say == say
    assert ("For", say) in month.facts
