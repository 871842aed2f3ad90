"""The ledger for staff: to read line by line. What is wrong is set right by an adjustment, never by hand."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from accounts.admin import ReadOnly, back_to, person_link
from accounts.models import User
from billing import ledger
from billing.models import (
    CreditAccount,
    CreditEntry,
    CreditGrant,
    CreditHold,
    CreditTransaction,
    HoldSlice,
    Welcomed,
)

MOST = 100_000  # a slip of the finger, not a correction


class AdjustForm(BaseDialogForm):  # type: ignore[misc]
    amount = forms.IntegerField(
        min_value=-MOST,
        max_value=MOST,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Below zero takes credits away; what is not there any more becomes a debt.",
    )
    say = forms.CharField(
        max_length=ledger.LONGEST_SAY,
        widget=UnfoldAdminTextInputWidget,
        label="Why",
        help_text="The person reads this on their credits page.",
    )
    # the same dialog sent twice adjusts once
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def clean_amount(self) -> int:
        amount: int = self.cleaned_data["amount"]
        if amount == 0:
            raise forms.ValidationError("An adjustment of 0 changes nothing.")
        return amount


class OfAnAccount(ReadOnly):
    """Rows that belong to a purse link to its person."""

    list_select_related: Any = ("account__user",)

    @admin.display(ordering="account__user__email")
    def person(self, row: CreditGrant | CreditHold | CreditTransaction | CreditEntry) -> SafeString:
        return person_link(row.account.user)


@admin.register(CreditAccount)
class CreditAccountAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("person", "available", "held", "debt", "lines")
    list_display_links = ("available",)
    list_filter = ("debt",)
    search_fields = ("user__email", "user__handle", "user__public_id")
    list_select_related = ("user",)
    actions_detail = ("adjust",)
    fields = ("person", "available", "held", "debt", "lines")
    readonly_fields = fields

    @admin.display(ordering="user__email")
    def person(self, account: CreditAccount) -> SafeString:
        return person_link(account.user)

    @admin.display(description="ledger")
    def lines(self, account: CreditAccount) -> SafeString:
        url = reverse("admin:billing_credittransaction_changelist")
        return format_html('<a href="{}?account__id__exact={}">every line</a>', url, account.pk)

    def has_adjust_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.change_creditaccount")

    @action(  # type: ignore[untyped-decorator]
        description="Adjust credits…",
        permissions=["adjust"],
        dialog={
            "title": "Adjust the credits of this person",
            "description": "It becomes a line of their ledger and of the audit trail, with your name.",
            "form_class": AdjustForm,
            "form_submit_text": "Adjust",
        },
    )
    def adjust(self, request: HttpRequest, form: AdjustForm, object_id: str) -> HttpResponse:
        account = get_object_or_404(CreditAccount.objects.select_related("user"), pk=object_id)
        assert isinstance(request.user, User)
        asked = form.cleaned_data
        key = f"staff:{asked['key']}"
        ledger.adjust(user=account.user, amount=asked["amount"], key=key, say=asked["say"], actor=request.user)
        account.refresh_from_db()
        messages.success(request, f"{account.user} has {account.available} credits to spend.")
        return back_to("admin:billing_creditaccount_change", account.pk)


class EntryInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = CreditEntry
    fields = ("bucket", "grant", "amount")
    extra = 0


@admin.register(CreditTransaction)
class CreditTransactionAdmin(OfAnAccount, ModelAdmin):  # type: ignore[misc]
    list_display = ("at", "person", "kind", "amount", "balance", "say", "job")
    list_filter = ("kind", "at")
    search_fields = ("say", "key", "job", "public_id", "account__user__email")
    search_help_text = "Words, a key, a job's id or an email"
    date_hierarchy = "at"
    ordering = ("-pk",)
    inlines = (EntryInline,)


@admin.register(CreditEntry)
class CreditEntryAdmin(OfAnAccount, ModelAdmin):  # type: ignore[misc]
    list_display = ("transaction", "person", "bucket", "amount", "grant")
    list_filter = ("bucket", "transaction__kind")
    search_fields = ("transaction__key", "account__user__email")
    list_select_related = ("account__user", "transaction", "grant")
    ordering = ("-pk",)


@admin.register(CreditGrant)
class CreditGrantAdmin(OfAnAccount, ModelAdmin):  # type: ignore[misc]
    list_display = ("source_ref", "person", "amount", "remaining", "expires_at", "created_at")
    list_filter = ("expires_at", "created_at")
    search_fields = ("source_ref", "say", "account__user__email")
    ordering = ("-pk",)


class SliceInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = HoldSlice
    fields = ("grant", "amount")
    extra = 0


@admin.register(CreditHold)
class CreditHoldAdmin(OfAnAccount, ModelAdmin):  # type: ignore[misc]
    list_display = ("key", "person", "amount", "captured", "released", "created_at", "resolved_at")
    list_filter = ("created_at", ("resolved_at", admin.EmptyFieldListFilter))
    search_fields = ("key", "job", "say", "account__user__email")
    ordering = ("-pk",)
    inlines = (SliceInline,)


@admin.register(HoldSlice)
class HoldSliceAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("hold", "grant", "amount")
    search_fields = ("hold__key", "grant__source_ref")
    list_select_related = ("hold", "grant")


@admin.register(Welcomed)
class WelcomedAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("mailbox", "created_at")
    date_hierarchy = "created_at"
    ordering = ("-pk",)
