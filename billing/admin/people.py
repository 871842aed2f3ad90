"""A person's page with their plan and purse, and what staff give: a plan, or credits."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts import audit
from accounts.admin import OfAPerson, UserAdmin, back_to
from accounts.models import User
from billing import ledger, plans
from billing.admin.ledger import MOST
from billing.models import CreditAccount, CreditGrant, Entitlement
from billing.plans import PLANS
from config.kit.errors import Refusal

PERSON = "admin:accounts_user_change"
LONGEST_LIFE = 3650  # days: what should last longer never expires


class PlanForm(BaseDialogForm):  # type: ignore[misc]
    plan = forms.ChoiceField(widget=UnfoldAdminSelectWidget, help_text="Beside a subscription the better one counts.")
    reason = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text="Kept in the audit trail; write it for a colleague.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        given = [(plan.slug, plan.name) for plan in PLANS.values() if not plan.is_free]
        self.fields["plan"].choices = [*given, ("none", "None: take back what was given")]


class GrantForm(BaseDialogForm):  # type: ignore[misc]
    amount = forms.IntegerField(min_value=1, max_value=MOST, widget=UnfoldAdminIntegerFieldWidget, label="Credits")
    days = forms.IntegerField(
        min_value=1,
        max_value=LONGEST_LIFE,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        label="Days until they expire",
        help_text="Empty: never.",
    )
    say = forms.CharField(
        max_length=ledger.LONGEST_SAY,
        widget=UnfoldAdminTextInputWidget,
        label="Why",
        help_text="The person reads this on their credits page.",
    )
    # the same dialog sent twice grants once
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


@transaction.atomic
def grant(*, user: User, amount: int, say: str, key: uuid.UUID, days: int | None, actor: User) -> CreditGrant:
    """Credits from the house, with the name of who gave them in the trail; the same key again changes nothing."""
    source_ref = f"staff:{key}"
    known = CreditGrant.objects.filter(source_ref=source_ref).first()
    if known is not None:
        return known
    expires_at = timezone.now() + timedelta(days=days) if days else None
    made = ledger.grant(user=user, amount=amount, source_ref=source_ref, say=say, expires_at=expires_at)
    detail = {"amount": amount, "say": say, "days": days}
    audit.record(actor=actor, verb="credits.grant", target_kind="user", target=user.public_id, detail=detail)
    return made


admin.site.unregister(User)


@admin.register(User)
class PayingUserAdmin(UserAdmin):
    """The person's page of the room below, with what this room knows of them."""

    list_display = (*UserAdmin.list_display[:3], "plan", "credits", *UserAdmin.list_display[3:])
    list_select_related = ("entitlement", "credit_account")
    list_filter = ("entitlement__plan", *UserAdmin.list_filter)
    actions_detail = ("give_plan", "grant_credits", *UserAdmin.actions_detail)
    fieldsets = (
        *UserAdmin.fieldsets[:1],
        ("Plan and purse", {"fields": ("plan", "credits")}),
        *UserAdmin.fieldsets[1:],
    )
    always_fixed = (*UserAdmin.always_fixed, "plan", "credits")

    @admin.display(ordering="entitlement__plan")
    def plan(self, user: User) -> str:
        row: Entitlement | None = getattr(user, "entitlement", None)
        if row is None:
            return "free"
        why = [f"{word} {value}" for word, value in (("given", row.given), ("subscribed", row.subscribed)) if value]
        return f"{row.plan} ({', '.join([*why, row.status] if row.status else why)})" if why else row.plan

    @admin.display(ordering="credit_account__available")
    def credits(self, user: User) -> str:
        account: CreditAccount | None = getattr(user, "credit_account", None)
        if account is None:
            return "0"
        beside = [f"{n:,} {word}" for n, word in ((account.held, "held"), (account.debt, "owed")) if n]
        return f"{account.available:,} ({', '.join(beside)})" if beside else f"{account.available:,}"

    def has_give_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.change_entitlement")

    def has_grant_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.change_creditaccount")

    @action(  # type: ignore[untyped-decorator]
        description="Give a plan…",
        permissions=["give"],
        dialog={
            "title": "Give this person a plan",
            "description": "It costs nothing and lasts until it is taken back.",
            "form_class": PlanForm,
            "form_submit_text": "Give it",
        },
    )
    def give_plan(self, request: HttpRequest, form: PlanForm, object_id: str) -> HttpResponse:
        user = get_object_or_404(User, pk=object_id)
        assert isinstance(request.user, User)
        wanted = "" if form.cleaned_data["plan"] == "none" else form.cleaned_data["plan"]
        try:
            row = plans.give_plan(user=user, plan=wanted, actor=request.user, reason=form.cleaned_data["reason"])
            messages.success(request, f"{user.email} is on the plan {row.plan}.")
        except Refusal as refusal:
            messages.error(request, refusal.say)
        return back_to(PERSON, user.pk)

    @action(  # type: ignore[untyped-decorator]
        description="Grant credits…",
        permissions=["grant"],
        dialog={
            "title": "Grant this person credits",
            "description": "It becomes a line of their ledger, and of the audit trail with your name.",
            "form_class": GrantForm,
            "form_submit_text": "Grant",
        },
    )
    def grant_credits(self, request: HttpRequest, form: GrantForm, object_id: str) -> HttpResponse:
        user = get_object_or_404(User, pk=object_id)
        assert isinstance(request.user, User)
        asked = {name: form.cleaned_data[name] for name in ("amount", "days", "say", "key")}
        grant(user=user, actor=request.user, **asked)
        account = ledger.account_of(user)
        messages.success(request, f"{user.email} has {account.available:,} credits to spend.")
        return back_to(PERSON, user.pk)


@admin.register(Entitlement)
class EntitlementAdmin(OfAPerson, ModelAdmin):  # type: ignore[misc]
    """Who has what plan and why. A plan is given on the person's page; a subscription follows Stripe."""

    list_display = ("person", "plan", "given", "subscribed", "status", "renews_at", "ends_at", "overdue_since")
    list_filter = ("plan", "status", "given", "subscribed", ("overdue_since", admin.EmptyFieldListFilter), "ends_at")
    search_fields = ("user__email", "user__handle", "subscription")
    ordering = ("-updated_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entitlement]:
        rows: QuerySet[Entitlement] = super().get_queryset(request)
        return rows.select_related("user")
