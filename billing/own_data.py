"""The purse and the plan: written into a person's archive, stopped when their account closes, and cleared of words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.utils.translation import gettext_noop, ngettext
from djstripe import models as mirror

from accounts.exporting import Archive
from accounts.models import User
from billing.models import (
    CreditAccount,
    CreditGrant,
    CreditHold,
    CreditTransaction,
    Entitlement,
    Purchase,
    StripeCustomer,
    StripeEvent,
)
from billing.payments import subscriptions

SAY = "every line of the ledger, where credits came from, the plan, purchases and invoices"

# Of what Stripe says we mirror more than the law wants kept: these rows go, invoices and payments stay.
_NOT_KEPT: tuple[type[Model], ...] = (mirror.PaymentMethod, mirror.SetupIntent, mirror.Session, mirror.Source)


def write(user: User, archive: Archive) -> None:
    lines = CreditTransaction.objects.filter(account__user=user).order_by("pk")
    of_line = ("at", "kind", "say", "amount", "balance", "job", "key")
    archive.rows("ledger.json", lines.values(*of_line).iterator())
    grants = CreditGrant.objects.filter(account__user=user).order_by("pk")
    of_grant = ("created_at", "say", "amount", "remaining", "expires_at", "source_ref")
    archive.rows("grants.json", grants.values(*of_grant).iterator())
    account = CreditAccount.objects.filter(user=user).values("available", "held", "debt").first()
    plan = Entitlement.objects.filter(user=user).values("plan", "given", "subscribed", "status", "renews_at", "ends_at")
    archive.data("plan.json", {"balance": account, "plan": plan.first()})
    purchases = Purchase.objects.filter(user=user).order_by("pk")
    archive.rows("purchases.json", purchases.values("created_at", "kind", "lookup_key", "state", "settled_at"))
    archive.rows("invoices.json", _mirrored(mirror.Invoice, user))
    archive.rows("payment_methods.json", _mirrored(mirror.PaymentMethod, user))


def goes(user: User) -> str:
    account = CreditAccount.objects.filter(user=user).first()
    if account is None or not settings.BILLING or not account.balance:
        return ""
    say = ngettext("%(n)s credit that is not spent.", "%(n)s credits that are not spent.", account.balance)
    return say % {"n": f"{account.balance:,}"}


def stop(user: User) -> None:
    """The subscription ends at once: nobody pays for an account that closes."""
    closing = user.closings.get(taken_back_at=None)
    subscriptions.stop_now(user=user, key=f"closing:{closing.public_id}")


def erase(user: User) -> Mapping[str, int]:
    """Figures stay, for books must add up; words go. What Stripe keeps itself is for the law, and named in the docs."""
    lines = CreditTransaction.objects.filter(account__user=user).exclude(say="")
    worded = lines.update(say="")
    CreditGrant.objects.filter(account__user=user).update(say="")
    CreditHold.objects.filter(account__user=user).update(say="")
    Purchase.objects.filter(user=user).update(session_url="", came_from="")
    Entitlement.objects.filter(user=user).delete()
    kept = 0
    for customer in StripeCustomer.objects.filter(user=user):
        for model in _NOT_KEPT:
            kept += model._default_manager.filter(customer__id=customer.customer).delete()[0]
        mirror.Customer.objects.filter(id=customer.customer).update(subscriber=None, stripe_data={})
    forget_news()
    return {
        gettext_noop("words in lines of the ledger"): worded,
        gettext_noop("payment methods and visits to checkout"): kept,
    }


def forget_news() -> int:
    """What Stripe said of accounts that are closed, and may say of them for months: it rang, that is enough."""
    gone = StripeCustomer.objects.filter(user__state=User.State.CLOSED).values("customer")
    return StripeEvent.objects.filter(customer__in=gone).exclude(body="").update(body="")


def _mirrored(model: Any, user: User) -> Iterable[Mapping[str, Any]]:
    customers = StripeCustomer.objects.filter(user=user).values("customer")
    for row in model.objects.filter(customer__id__in=customers).order_by("pk").iterator():
        yield row.stripe_data
