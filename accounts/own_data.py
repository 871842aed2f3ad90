"""What this room keeps of a person: written into their archive, and erased at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils.translation import gettext_noop

from accounts import audit, exporting
from accounts.models import IdempotencyKey, Outbox, Profile, SignInLink, User
from config.kit import media

SAY = "who you are here: account, profile, sign-ins, sessions, API tokens, notifications, what was done to the account"


def write(user: User, archive: exporting.Archive) -> None:
    archive.data("account.json", _account(user))
    profile = Profile.objects.filter(user=user).first() or Profile(user=user)
    fields = ("about", "links", "theme", "language", "mails", "bells")
    avatar = archive.file("avatar.webp", profile.avatar_key)
    archive.data("profile.json", {field: getattr(profile, field) for field in fields} | {"avatar": avatar})
    sessions = UserSession.objects.filter(user=user).order_by("pk")
    archive.rows("sessions.json", sessions.values("created_at", "last_seen_at", "ip", "user_agent").iterator())
    tokens = user.tokens.order_by("pk")
    shown = ("name", "prefix", "scopes", "created_at", "last_used_at", "revoked_at")
    archive.rows("tokens.json", tokens.values(*shown).iterator())
    notifications = user.notifications.order_by("pk")
    shown = ("kind", "title", "body", "url", "created_at", "read_at")
    archive.rows("notifications.json", notifications.values(*shown).iterator())
    archive.rows("trail.json", _trail(user))
    archive.rows("closings.json", user.closings.order_by("pk").values("asked_at", "due_at", "taken_back_at"))
    archive.rows("archives.json", user.exports.order_by("pk").values("asked_at", "ready_at", "bytes", "state"))


def erase(user: User) -> Mapping[str, int]:
    """Files first: should this be cut short, the rows still say what is to be erased."""
    media.delete_all(f"exports/{user.public_id}")
    counts = {gettext_noop("pictures of yourself"): media.delete_all(f"avatars/{user.public_id}")}
    _sign_everyone_out(user)
    rows = {
        gettext_noop("connected accounts"): SocialAccount.objects.filter(user=user),
        gettext_noop("second steps"): Authenticator.objects.filter(user=user),
        gettext_noop("email addresses"): EmailAddress.objects.filter(user=user),
        gettext_noop("API tokens"): user.tokens.all(),
        gettext_noop("notifications"): user.notifications.all(),
        gettext_noop("profiles"): Profile.objects.filter(user=user),
        gettext_noop("archives"): user.exports.all(),
        gettext_noop("mails in the outbox"): Outbox.objects.filter(user=user),
        gettext_noop("sign-in links"): SignInLink.objects.filter(user=user),
        gettext_noop("answered calls"): IdempotencyKey.objects.filter(user=user),
    }
    for what, found in rows.items():
        counts[what] = found.count()
        found.delete()
    # what staff once did in the admin names the rows as they were called then
    of_them = Q(object_repr__icontains=user.email) | Q(change_message__icontains=user.email)
    LogEntry.objects.filter(of_them).update(object_repr="(erased)", change_message="")
    LogEntry.objects.filter(user=user).delete()
    return counts


def _sign_everyone_out(user: User) -> None:
    """Sessions hold the person in their sealed text: only reading them all finds those that nobody listed."""
    UserSession.objects.filter(user=user).delete()
    of_them = [row.pk for row in Session.objects.iterator() if row.get_decoded().get("_auth_user_id") == str(user.pk)]
    Session.objects.filter(pk__in=of_them).delete()


def _account(user: User) -> dict[str, Any]:
    addresses = EmailAddress.objects.filter(user=user).order_by("pk")
    connected = SocialAccount.objects.filter(user=user).order_by("pk")
    steps = Authenticator.objects.filter(user=user).order_by("pk")
    return {
        "id": user.public_id,
        "email": user.email,
        "name": user.name,
        "handle": user.handle,
        "state": user.state,
        "has_password": user.has_usable_password(),
        "joined_at": user.date_joined,
        "signed_in_at": user.last_login,
        "addresses": list(addresses.values("email", "verified", "primary")),
        "connected": list(connected.values("provider", "uid", "extra_data", "date_joined", "last_login")),
        "second_steps": list(steps.values("type", "created_at", "last_used_at")),
    }


def _trail(user: User) -> Iterator[dict[str, Any]]:
    for entry in audit.trail_of(user).iterator():
        deed = audit.in_words(entry, seen_by=user)
        about = {"kind": entry.target_kind, "id": entry.target, "detail": entry.detail}
        yield {"at": deed.at, "what": deed.say, "by": deed.who, "about": about}
