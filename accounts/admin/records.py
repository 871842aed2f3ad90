"""What belongs to people, to read: profiles, tokens, links, exports, closings; and the trail."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.admin.kit import OfAPerson, ReadOnly
from accounts.models import ApiToken, AuditEntry, Closing, DataExport, IdempotencyKey, Profile, SignInLink, User
from accounts.tokens import revoke_token


@admin.register(Profile)
class ProfileAdmin(OfAPerson, ModelAdmin):  # type: ignore[misc]
    list_display = ("person", "about", "theme", "language")
    list_filter = ("theme", "language")
    search_fields = ("user__email", "user__handle", "about")


@admin.register(ApiToken)
class ApiTokenAdmin(OfAPerson, ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "prefix", "person", "scopes", "created_at", "last_used_at", "revoked_at")
    list_filter = ("created_at", "last_used_at", "revoked_at")
    search_fields = ("name", "prefix", "public_id", "user__email")
    exclude = ("hash",)
    actions = ("revoke",)

    @admin.action(description="Revoke (it opens nothing any more)", permissions=("revoke",))
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        assert isinstance(request.user, User)
        for token in tokens:
            revoke_token(token=token, actor=request.user)
        messages.success(request, f"{len(tokens)} revoked.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apitoken")


@admin.register(SignInLink)
class SignInLinkAdmin(OfAPerson, ModelAdmin):  # type: ignore[misc]
    list_display = ("person", "created_at", "expires_at", "used_at")
    list_filter = ("created_at", "used_at")
    search_fields = ("user__email",)
    exclude = ("hash",)


@admin.register(DataExport)
class DataExportAdmin(OfAPerson, ModelAdmin):  # type: ignore[misc]
    """That one was asked for and how it went; the archive itself is its person's alone."""

    list_display = ("person", "state", "bytes", "asked_at", "ready_at", "expires_at", "error")
    list_filter = ("state", "asked_at")
    search_fields = ("user__email", "user__handle", "public_id")
    exclude = ("key",)
    ordering = ("-asked_at",)


@admin.register(Closing)
class ClosingAdmin(OfAPerson, ModelAdmin):  # type: ignore[misc]
    list_display = ("person", "asked_at", "due_at", "taken_back_at", "done_at")
    list_filter = ("asked_at", "due_at", ("done_at", admin.EmptyFieldListFilter))
    search_fields = ("user__email", "public_id")
    ordering = ("-asked_at",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("at", "verb", "target_kind", "target", "actor")
    list_filter = ("verb", "target_kind", "at")
    search_fields = ("target", "verb", "actor__email")
    list_select_related = ("actor",)
    date_hierarchy = "at"
    ordering = ("-pk",)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(OfAPerson, ModelAdmin):  # type: ignore[misc]
    list_display = ("key", "person", "status", "created_at")
    list_filter = ("status", "created_at")
    search_fields = ("key", "user__email")
