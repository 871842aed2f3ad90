"""People, their tokens and the trail, for staff."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import actions
from accounts.models import ApiToken, AuditEntry, IdempotencyKey, Profile, SignInLink, User
from accounts.tokens import revoke_token
from config.kit.errors import Refusal

# lists of other rooms that find their rows by a person's email
LISTS_OF_A_PERSON = ("billing.creditaccount", "gpu.job", "styles.style", "gallery.artwork")

admin.site.unregister(Group)


class ReadOnly:
    """Rows that have their one writer elsewhere: nothing is added, changed or deleted by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def person_link(user: User) -> SafeString:
    """A person's page in the admin."""
    return format_html('<a href="{}">{}</a>', reverse("admin:accounts_user_change", args=[user.pk]), user.email)


def back_to(view: str, key: int) -> HttpResponse:
    """The answer to a dialog: the page behind it, loaded anew."""
    return HttpResponse(headers={"HX-Redirect": reverse(view, args=[key])})


class BanForm(BaseDialogForm):  # type: ignore[misc]
    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="Kept in the audit trail; write it for a colleague.",
    )


class ProfileInline(TabularInline):  # type: ignore[misc]
    model = Profile
    fields = ("about", "theme")
    can_delete = False


class TokenInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = ApiToken
    fields = readonly_fields = ("name", "prefix", "created_at", "last_used_at", "revoked_at")
    extra = 0


@admin.register(User)
class UserAdmin(ModelAdmin):  # type: ignore[misc]
    """Accounts are made on the sign-up page or in the terminal, and never deleted: the ledger needs its owners."""

    list_display = ("email", "name", "handle", "state", "is_staff", "date_joined", "last_login", "elsewhere")
    list_filter = ("state", "is_staff", "is_superuser", "date_joined", "last_login")
    search_fields = ("email", "name", "handle", "public_id")
    search_help_text = "An email, a name, a handle or an id"
    ordering = ("-date_joined",)
    date_hierarchy = "date_joined"
    filter_horizontal = ("groups", "user_permissions")
    inlines = (ProfileInline, TokenInline)
    actions_detail = ("ban", "unban")
    fieldsets = (
        (None, {"fields": ("email", "name", "handle", "public_id", "state", "elsewhere")}),
        ("Dates", {"fields": ("date_joined", "last_login")}),
        ("Staff", {"fields": ("is_staff", "is_superuser", "groups", "user_permissions")}),
    )
    # the address is proven by mail and the state moved by actions, which also write the trail
    always_fixed = ("email", "public_id", "state", "date_joined", "last_login", "elsewhere")
    powers = ("is_staff", "is_superuser", "groups", "user_permissions")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_ban_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("accounts.change_user")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only who has every power may give powers."""
        own = request.user
        return self.always_fixed if isinstance(own, User) and own.is_superuser else self.always_fixed + self.powers

    @admin.display(description="Their")
    def elsewhere(self, user: User) -> SafeString:
        lists = [model._meta for model in admin.site._registry if model._meta.label_lower in LISTS_OF_A_PERSON]
        return format_html_join(
            " · ",
            '<a href="{}?q={}">{}</a>',
            (
                (reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"), user.email, meta.verbose_name_plural)
                for meta in lists
            ),
        )

    @action(  # type: ignore[untyped-decorator]
        description="Ban…",
        permissions=["ban"],
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Ban this person?",
            "description": "Their sessions end and their tokens open nothing, from the next request on.",
            "form_class": BanForm,
            "form_submit_text": "Ban",
        },
    )
    def ban(self, request: HttpRequest, form: BanForm, object_id: str) -> HttpResponse:
        user = get_object_or_404(User, pk=object_id)
        assert isinstance(request.user, User)
        try:
            actions.ban(user=user, actor=request.user, reason=form.cleaned_data["reason"])
            messages.success(request, f"{user.email} is banned.")
        except Refusal as refusal:
            messages.error(request, refusal.say)
        return back_to("admin:accounts_user_change", user.pk)

    @action(  # type: ignore[untyped-decorator]
        description="Unban…",
        permissions=["ban"],
        dialog={
            "title": "Let this person in again?",
            "description": "They can sign in, and their tokens work as before.",
            "form_class": None,
            "form_submit_text": "Unban",
        },
    )
    def unban(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        user = get_object_or_404(User, pk=object_id)
        assert isinstance(request.user, User)
        actions.unban(user=user, actor=request.user)
        messages.success(request, f"{user.email} is {user.state}.")
        return back_to("admin:accounts_user_change", user.pk)


@admin.register(Group)
class GroupAdmin(ModelAdmin):  # type: ignore[misc]
    search_fields = ("name",)
    filter_horizontal = ("permissions",)


@admin.register(Profile)
class ProfileAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("person", "about", "theme")
    list_filter = ("theme",)
    search_fields = ("user__email", "user__handle", "about")
    list_select_related = ("user",)

    @admin.display(ordering="user__email")
    def person(self, profile: Profile) -> SafeString:
        return person_link(profile.user)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "prefix", "person", "created_at", "last_used_at", "revoked_at")
    list_filter = ("created_at", "last_used_at", "revoked_at")
    search_fields = ("name", "prefix", "public_id", "user__email")
    list_select_related = ("user",)
    exclude = ("hash",)
    actions = ("revoke",)

    @admin.display(ordering="user__email")
    def person(self, token: ApiToken) -> SafeString:
        return person_link(token.user)

    @admin.action(description="Revoke (it opens nothing any more)", permissions=("revoke",))
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        assert isinstance(request.user, User)
        for token in tokens:
            revoke_token(token=token, actor=request.user)
        messages.success(request, f"{len(tokens)} revoked.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apitoken")


@admin.register(SignInLink)
class SignInLinkAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("person", "created_at", "expires_at", "used_at")
    list_filter = ("created_at", "used_at")
    search_fields = ("user__email",)
    list_select_related = ("user",)
    exclude = ("hash",)

    @admin.display(ordering="user__email")
    def person(self, link: SignInLink) -> SafeString:
        return person_link(link.user)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("at", "verb", "target_kind", "target", "actor")
    list_filter = ("verb", "target_kind", "at")
    search_fields = ("target", "verb", "actor__email")
    list_select_related = ("actor",)
    date_hierarchy = "at"
    ordering = ("-pk",)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("key", "user", "status", "created_at")
    list_filter = ("status", "created_at")
    search_fields = ("key", "user__email")
    list_select_related = ("user",)
