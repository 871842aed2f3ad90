"""What happens by itself: credits expire, and holds that nobody will ever resolve are given back."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from billing import holds
from billing.ledger.purse import expire_due, locked
from billing.ledger.work import release
from billing.models import CreditGrant, CreditHold


def expire(*, now: datetime) -> int:
    """Take away what ran out, a purse at a time; answers how many purses lost something."""
    due = CreditGrant.objects.filter(remaining__gt=0, expires_at__lte=now)
    purses = list(due.order_by("account").values_list("account", flat=True).distinct())
    for account_id in purses:
        with transaction.atomic():
            expire_due(locked(account_id), now)
    return len(purses)


def time_out_holds(*, before: datetime) -> int:
    """Give back what was held before then for work that ended or is gone; answers how many holds that were.

    A job resolves its hold in the transaction in which it ends, so this finds something only where that was broken.
    """
    orphans = [hold.pk for hold in holds.without_job(CreditHold.objects.filter(created_at__lt=before))]
    return sum(_time_out(pk) for pk in orphans)


@transaction.atomic
def _time_out(pk: int) -> bool:
    account_id = CreditHold.objects.values_list("account", flat=True).get(pk=pk)
    locked(account_id)
    hold = CreditHold.objects.get(pk=pk)
    if hold.resolved_at is not None:  # somebody was faster
        return False
    release(hold=hold, say=f"{hold.say}: given back, nothing came of it")
    return True
