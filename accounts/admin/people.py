"""People: who they are, how they come in, what was done to their account, and shutting one out."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Greatest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import actions
from accounts.admin.kit import ReadOnly, back_to
from accounts.audit import trail_of, words
from accounts.models import ApiToken, AuditEntry, Profile, User
from config.kit.errors import Refusal

# lists of other rooms that find their rows by a person's email
LISTS_OF_A_PERSON = ("billing.creditaccount", "gpu.job", "styles.style", "gallery.artwork")
TRAIL_SHOWN = 30

# The sign-in's own lists would show session keys and tokens, and let staff take over an account by an address that
# they call proven. What staff need of them is on the page of the person.
for of_the_sign_in in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession):
    if admin.site.is_registered(of_the_sign_in):
        admin.site.unregister(of_the_sign_in)
admin.site.unregister(Group)


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


class AddressInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = EmailAddress
    fields = readonly_fields = ("email", "verified", "primary")
    extra = 0


@admin.register(User)
class UserAdmin(ModelAdmin):  # type: ignore[misc]
    """Accounts are made on the sign-up page or in the terminal, and never deleted: the ledger needs its owners."""

    list_display: tuple[str, ...] = (
        "email",
        "name",
        "handle",
        "state",
        "ways_in",
        "is_staff",
        "date_joined",
        "last_seen",
    )
    list_filter: tuple[str, ...] = ("state", "is_staff", "is_superuser", "date_joined", "last_login")
    search_fields = ("email", "name", "handle", "public_id", "emailaddress__email")
    search_help_text = "An email (former ones and others of theirs, too), a name, a handle or an id"
    ordering = ("-date_joined",)
    date_hierarchy = "date_joined"
    filter_horizontal = ("groups",)
    inlines = (ProfileInline, AddressInline, TokenInline)
    actions_detail: tuple[str, ...] = ("ban", "unban")
    fieldsets: tuple[Any, ...] = (
        (None, {"fields": ("email", "name", "handle", "public_id", "state", "ways_in", "elsewhere")}),
        ("Dates", {"fields": ("date_joined", "last_login", "last_seen")}),
        ("What was done to the account", {"fields": ("trail",)}),
    )
    # the address is proven by mail and the state moved by actions, which also write the trail
    always_fixed: tuple[str, ...] = (
        *("email", "public_id", "state", "ways_in", "date_joined", "last_login", "last_seen", "elsewhere", "trail"),
    )
    # single permissions are given through groups: Django's list of all of them is longer than the page
    powers: tuple[Any, ...] = ("Staff", {"fields": ("is_staff", "is_superuser", "groups"), "classes": ("collapse",)})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_ban_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("accounts.change_user")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        return self.always_fixed

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> tuple[Any, ...]:
        """Only who has every power may give powers, and only they see who has which."""
        own = request.user
        return (*self.fieldsets, self.powers) if isinstance(own, User) and own.is_superuser else self.fieldsets

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        people: QuerySet[User] = super().get_queryset(request)
        in_browser = UserSession.objects.filter(user=OuterRef("pk")).order_by("-last_seen_at").values("last_seen_at")
        by_program = ApiToken.objects.filter(user=OuterRef("pk")).order_by("-last_used_at").values("last_used_at")
        return people.prefetch_related("socialaccount_set", "authenticator_set").annotate(
            seen=Greatest("last_login", Subquery(in_browser[:1]), Subquery(by_program[:1]))
        )

    @admin.display(description="last seen", ordering="seen")
    def last_seen(self, user: User) -> str:
        """Signing in, going on in a session, or by a program of theirs."""
        seen = getattr(user, "seen", None)
        return f"{seen:%d %b %Y, %H:%M}" if seen else "never"

    @admin.display(description="signs in by")
    def ways_in(self, user: User) -> str:
        """Password, providers, and the second steps."""
        of_allauth: Any = user  # its relations are unknown to the types
        ways = ["password"] if user.has_usable_password() else []
        ways += [account.provider for account in of_allauth.socialaccount_set.all()]
        steps = {one.get_type_display().lower() for one in of_allauth.authenticator_set.all()}
        return " · ".join(ways + sorted(steps)) or "nothing yet"

    @admin.display(description="the newest lines")
    def trail(self, user: User) -> SafeString | str:
        return format_html_join("", "<p>{} · {} · {}{}</p>", map(_told, trail_of(user)[:TRAIL_SHOWN])) or "nothing yet"

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


def _plain(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)


def _told(entry: AuditEntry) -> tuple[str, ...]:
    """When, what, by whom, and the details of a deed."""
    details = ", ".join(f"{name}: {_plain(value)}" for name, value in entry.detail.items())
    what = str(words().get(entry.verb, entry.verb))
    by = entry.actor.email if entry.actor else "the house"
    return f"{entry.at:%d %b %Y, %H:%M}", what, by, f" · {details}" if details else ""


@admin.register(Group)
class GroupAdmin(ModelAdmin):  # type: ignore[misc]
    search_fields = ("name",)
    filter_horizontal = ("permissions",)
