"""Styles and what belongs to them, for staff. Rows that record what was learned or declared are read, not written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin import ReadOnly
from config.kit.errors import Refusal
from styles import actions
from styles.models import Adapter, Consent, Declaration, Reference, Style


def _link(row: Any, label: str | None = None) -> SafeString:
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', address, label or row)


class OfAStyle(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """What was recorded of a style stays as it was recorded."""

    @admin.display(description="style", ordering="style__name")
    def style_link(self, row: Any) -> SafeString:
        return _link(row.style)


class AdapterInline(TabularInline):  # type: ignore[misc]
    model = Adapter
    fields = ("number", "name", "origin", "state", "base", "steps", "loss", "created_at")
    readonly_fields = fields
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Style)
class StyleAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "owner_link", "kind", "status", "works", "trigger_word", "created_at", "deleted_at")
    list_filter = ("kind", "status", "is_sample", ("deleted_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("name", "trigger_word", "public_id", "owner__email", "owner__handle")
    readonly_fields = (
        "public_id",
        "owner",
        "kind",
        "status",
        "trigger_word",
        "next_version",
        "active_adapter",
        "is_sample",
        "created_at",
        "updated_at",
        "deleted_at",
        "purged_at",
    )
    inlines = (AdapterInline,)
    actions = ("delete_styles", "restore_styles")
    list_select_related = ("owner",)
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Style]:
        works = Count("references", filter=Q(references__deleted_at=None))
        return Style.objects.with_deleted().annotate(works_count=works)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="owner", ordering="owner__email")
    def owner_link(self, style: Style) -> SafeString:
        return _link(style.owner)

    @admin.display(description="works", ordering="works_count")
    def works(self, style: Style) -> SafeString:
        address = reverse("admin:styles_reference_changelist") + f"?style__id__exact={style.pk}"
        return format_html('<a href="{}">{}</a>', address, getattr(style, "works_count", 0))

    @admin.action(description="Delete (restorable for 30 days)", permissions=["change"])
    def delete_styles(self, request: HttpRequest, styles: QuerySet[Style]) -> None:
        self._to_each(request, styles, actions.delete_style)

    @admin.action(description="Bring back", permissions=["change"])
    def restore_styles(self, request: HttpRequest, styles: QuerySet[Style]) -> None:
        self._to_each(request, styles, actions.restore_style)

    def _to_each(self, request: HttpRequest, styles: QuerySet[Style], deed: Callable[..., Style]) -> None:
        """One that cannot be done is told, and the others are done."""
        for style in styles:
            try:
                deed(style=style, actor=request.user)
            except Refusal as refusal:
                self.message_user(request, f"{style.name}: {refusal.say}", messages.WARNING)


@admin.register(Reference)
class ReferenceAdmin(OfAStyle):
    """Facts about a work. Its picture is not shown: staff look at private works only through a report."""

    list_display = ("filename", "style_link", "position", "verdict", "width", "height", "caption", "created_at")
    list_filter = ("verdict", "caption_source", "created_at", ("style", admin.RelatedOnlyFieldListFilter))
    search_fields = ("filename", "caption", "sha256", "style__name", "style__public_id", "style__owner__email")
    list_select_related = ("style",)
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reference]:
        return Reference.objects.with_deleted()


@admin.register(Adapter)
class AdapterAdmin(OfAStyle):
    list_display = ("number", "style_link", "state", "origin", "base", "rank", "steps", "loss", "created_at")
    list_filter = ("state", "origin", "base", "method", "created_at")
    search_fields = ("name", "sha256", "public_id", "style__name", "style__owner__email")
    list_select_related = ("style",)
    ordering = ("-created_at",)


@admin.register(Declaration)
class DeclarationAdmin(OfAStyle):
    list_display = ("style_link", "user", "choice", "text_version", "at")
    list_filter = ("choice", "text_version", "at")
    search_fields = ("style__name", "style__public_id", "user__email")
    list_select_related = ("style", "user")
    ordering = ("-at",)


@admin.register(Consent)
class ConsentAdmin(OfAStyle):
    list_display = ("subject_name", "style_link", "recorded_by", "created_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "expires_at", "text_version")
    search_fields = ("subject_name", "style__name", "style__public_id", "recorded_by__email")
    list_select_related = ("style", "recorded_by")
    ordering = ("-created_at",)
