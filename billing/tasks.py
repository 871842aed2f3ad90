"""Small chores of this room."""

from __future__ import annotations

from datetime import timedelta

import structlog
from celery import shared_task
from django.utils import timezone

from billing import audit as auditing
from billing import ledger, own_data

log = structlog.get_logger(__name__)

PATIENCE = timedelta(hours=24)  # with a hold whose job ended without it


@shared_task(name="billing.tasks.expire")  # type: ignore[untyped-decorator]
def expire() -> None:
    """Take away the credits whose time is over."""
    ledger.expire(now=timezone.now())


@shared_task(name="billing.tasks.time_out_holds")  # type: ignore[untyped-decorator]
def time_out_holds() -> None:
    """Give back what is held for nothing any more."""
    count = ledger.time_out_holds(before=timezone.now() - PATIENCE)
    if count:
        log.warning("credit_holds_timed_out", count=count)


@shared_task(name="billing.tasks.audit")  # type: ignore[untyped-decorator]
def audit() -> None:
    """Do the balances still follow from their entries? If not, staff hear of it, once a day."""
    report = auditing.audit(mend=False)
    for drift in report.drifts:
        log.error("credits_drifted", drift=str(drift))
    if report.drifts:
        auditing.tell_staff(report, key=f"{timezone.now():%Y-%m-%d}")
    log.info("credits_audited", **report.as_json())


@shared_task(name="billing.tasks.forget_news")  # type: ignore[untyped-decorator]
def forget_news() -> None:
    """Empty what Stripe still sends of accounts that are closed."""
    own_data.forget_news()
