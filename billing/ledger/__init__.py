"""The one writer of credits: integers, append-only, double entry, one unique key per effect.

Every transaction moves credits between buckets and sums to zero: `house` is the counterpart outside the person's
purse, `available` and `held` are the purse, `spent` is what was paid for, `debt` is what was taken back after it had
been spent. Each verb locks the account first, so that the verbs of one person happen one after another. Callers that
hold other locks take them in the order Job → Style → CreditAccount.

Each verb may be called again with the same key and then changes nothing; the same key with another body is an error.
"""

from billing.book import LONGEST_SAY, KeyReused, LedgerError, Parts
from billing.ledger.incoming import grant, renew
from billing.ledger.purse import account_of
from billing.ledger.reversing import adjust, refund, reinstate, revoke
from billing.ledger.time import expire, time_out_holds
from billing.ledger.work import InsufficientCredits, Wanted, capture, hold, hold_all, release, shortfall

__all__ = [
    "LONGEST_SAY",
    "InsufficientCredits",
    "KeyReused",
    "LedgerError",
    "Parts",
    "Wanted",
    "account_of",
    "adjust",
    "capture",
    "expire",
    "grant",
    "hold",
    "hold_all",
    "refund",
    "reinstate",
    "release",
    "renew",
    "revoke",
    "shortfall",
    "time_out_holds",
]
