"""What this room tells people, each thing once."""

from __future__ import annotations

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from accounts.notifications import Kind, notify

LOW = 10  # credits: about one more training checkpoint, or ten pictures

KINDS = (
    Kind("billing.low", "Credits are running low", mail=True),
    Kind("billing.receipt", "Receipts", mail=True, binding=True),
    Kind("billing.failed", "A payment failed", mail=True, binding=True),
    Kind("billing.plan", "Your plan changed", mail=True, binding=True),
)


def credits_low(*, user: User, available: int, last_grant: int) -> None:
    """Once for each time that credits came in: `last_grant` is the newest grant's key."""
    say = ngettext("%(n)d credit is left.", "%(n)d credits are left.", available) % {"n": available}
    notify(user=user, kind="billing.low", key=f"low:{last_grant}", title=say, url=reverse("billing:credits"))


def receipt(*, user: User, key: str, title: str, body: str) -> None:
    notify(
        user=user, kind="billing.receipt", key=f"receipt:{key}", title=title, body=body, url=reverse("billing:credits")
    )


def payment_failed(*, user: User, key: str, body: str) -> None:
    title = _("Your last payment did not go through.")
    notify(
        user=user, kind="billing.failed", key=f"failed:{key}", title=title, body=body, url=reverse("billing:credits")
    )


def plan_changed(*, user: User, key: str, plan: str, until: datetime | None = None) -> None:
    """`until`: the plan is cancelled and ends then."""
    title = _("You are on the plan %(plan)s.") % {"plan": plan}
    if until is not None:
        title = _("%(plan)s ends on %(day)s.") % {"plan": plan, "day": f"{until:%-d %B %Y}"}
    notify(user=user, kind="billing.plan", key=f"plan:{key}", title=title, url=reverse("billing:credits"))
