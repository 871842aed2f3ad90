"""What we know of Stripe: customers, its news as they came, purchases, and dj-stripe's mirror. All to read.

Nothing here is changed by hand: what is wrong is settled again, which asks Stripe.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from djstripe import models as djstripe
from unfold.admin import ModelAdmin

from accounts import audit
from accounts.admin import OfAPerson, ReadOnly
from accounts.models import User
from billing.models import Purchase, StripeCustomer, StripeEvent


def said(fact: str) -> Callable[[Any], Any]:
    """A column with what Stripe says of a row under that name."""

    @admin.display(description=fact.replace("_", " "))
    def column(row: Any) -> Any:
        return row.stripe_data.get(fact)

    return column


# The tables of dj-stripe that are filled here (`billing.payments.mirror`). Its own lists are not used: that of the keys
# shows secret keys, those of webhooks and events write to Stripe or hold headers of requests, all can be edited by
# hand, and most tables stay empty.
MIRRORED: dict[Any, tuple[str | Callable[[Any], Any], ...]] = {
    djstripe.Customer: ("id", "subscriber", "livemode", "created"),
    djstripe.Subscription: ("id", "customer", said("status"), "livemode", "created"),
    djstripe.Invoice: ("id", "customer", said("number"), said("status"), "livemode", "created"),
    djstripe.Session: ("id", "customer", said("status"), "livemode", "created"),
    djstripe.Charge: ("id", "customer", said("status"), "livemode", "created"),
    djstripe.Refund: ("id", "charge", said("status"), "livemode", "created"),
    djstripe.Dispute: ("id", "charge", said("status"), "livemode", "created"),
    djstripe.PaymentMethod: ("id", "customer", "type", "livemode", "created"),
    djstripe.Price: ("id", "lookup_key", "product", "livemode", "created"),
    djstripe.Product: ("id", "name", "livemode", "created"),
}


def settle_again(request: HttpRequest, customers: set[str], *, verb: str) -> None:
    """Bring these customers in line with what Stripe says now, each by the one door."""
    from billing.payments import is_on, settling

    if not is_on():
        messages.error(request, "No Stripe key is set here: there is nobody to ask.")
        return
    assert isinstance(request.user, User)
    done = {customer for customer in sorted(customers) if settling.settle_or_note(customer)}
    for row in StripeCustomer.objects.filter(customer__in=done).select_related("user"):
        audit.record(actor=request.user, verb=verb, target_kind="user", target=row.user.public_id)
    messages.success(request, f"{len(done)} settled.")
    if customers - done:
        messages.warning(request, f"Not settled: {', '.join(sorted(customers - done))}. Their rows say why.")


class MaySettle:
    def has_settle_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("billing.change_stripecustomer"))


@admin.register(StripeCustomer)
class StripeCustomerAdmin(MaySettle, OfAPerson, ModelAdmin):  # type: ignore[misc]
    list_display = ("customer", "person", "livemode", "asked_at", "settled_at", "error")
    list_filter = ("livemode", ("error", admin.EmptyFieldListFilter), "asked_at", "settled_at")
    search_fields = ("customer", "user__email", "user__handle")
    ordering = ("-asked_at", "-pk")
    actions = ("settle_now",)

    @admin.action(description="Settle now (ask Stripe and follow it)", permissions=("settle",))
    def settle_now(self, request: HttpRequest, rows: QuerySet[StripeCustomer]) -> None:
        settle_again(request, {row.customer for row in rows}, verb="stripe.settle")


@admin.register(StripeEvent)
class StripeEventAdmin(MaySettle, ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("received_at", "kind", "customer", "times", "livemode", "settled_at", "error")
    list_filter = ("kind", "livemode", ("settled_at", admin.EmptyFieldListFilter), "received_at")
    search_fields = ("event", "customer", "kind")
    search_help_text = "An event (evt_…), a customer (cus_…) or a kind"
    date_hierarchy = "received_at"
    ordering = ("-pk",)
    exclude = ("body",)
    readonly_fields = ("as_it_came",)
    actions = ("settle_its_customer",)

    @admin.display(description="body")
    def as_it_came(self, event: StripeEvent) -> SafeString:
        """The raw payload, laid out for reading where it is JSON."""
        try:
            text = json.dumps(json.loads(event.body), indent=2, ensure_ascii=False)
        except ValueError:
            text = event.body
        return format_html("<pre>{}</pre>", text)

    @admin.action(description="Settle its customer again", permissions=("settle",))
    def settle_its_customer(self, request: HttpRequest, rows: QuerySet[StripeEvent]) -> None:
        settle_again(request, {row.customer for row in rows if row.customer}, verb="stripe.settle")


@admin.register(Purchase)
class PurchaseAdmin(OfAPerson, ModelAdmin):  # type: ignore[misc]
    list_display = ("created_at", "person", "kind", "lookup_key", "state", "settled_at")
    list_filter = ("state", "kind", "lookup_key", "created_at")
    search_fields = ("user__email", "session", "public_id")
    exclude = ("session_url",)  # whoever has it may pay, or see what is paid
    date_hierarchy = "created_at"
    ordering = ("-pk",)


for model in apps.get_app_config("djstripe").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)
for model, columns in MIRRORED.items():
    facts = {"list_display": columns, "search_fields": ("id",), "ordering": ("-created",), "list_per_page": 50}
    admin.site.register(model, type(f"Mirrored{model.__name__}Admin", (ReadOnly, ModelAdmin), facts))
