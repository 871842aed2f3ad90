"""Credits, plans and payments, for staff."""

from billing.admin import ledger, people, stripe

__all__ = ["ledger", "people", "stripe"]
