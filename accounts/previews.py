"""Every mail of the house with made-up facts, for staff to look at: those of the rooms and those of the sign-in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from allauth.account.adapter import get_adapter
from django.core.mail import EmailMessage
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import mails
from accounts.models import User
from accounts.notifications import kinds


@dataclass(frozen=True)
class Preview:
    """`name` stands in its address, `make` writes it to a member of staff."""

    name: str
    say: str | Promise
    make: Callable[[User], EmailMessage]


_CODE = MappingProxyType({"code": "KFTN-X8RW"})
_LINK = MappingProxyType(
    {"key": "sample", "password_reset_url": mails.absolute("/accounts/password/reset/key/sample/")}
)
_DEVICE = MappingProxyType({"ip": "203.0.113.9", "user_agent": "Firefox 144 on Linux"})

# By allauth's name of the template: what it is, and the facts that allauth would give it.
SIGN_IN: Mapping[str, tuple[str | Promise, Mapping[str, Any]]] = MappingProxyType(
    {
        "account/email/email_confirmation_signup": (_("The code that proves a new address"), _CODE),
        "account/email/email_confirmation": (_("The code that proves another address"), _CODE),
        "account/email/account_already_exists": (_("Somebody signs up with a known address"), _LINK),
        "account/email/unknown_account": (
            _("Somebody signs in with an unknown address"),
            {"signup_url": mails.absolute("/accounts/signup/")},
        ),
        "account/email/login_code": (_("A code to sign in with"), _CODE),
        "account/email/password_reset_key": (_("A link to a new password"), _LINK),
        "account/email/password_reset_code": (_("A code to a new password"), _CODE),
        "account/email/password_reset": (_("The password was reset"), _DEVICE),
        "account/email/password_changed": (_("The password was changed"), _DEVICE),
        "account/email/password_set": (_("A first password was set"), _DEVICE),
        "account/email/email_confirm": (_("An address was proven"), _DEVICE),
        "account/email/email_changed": (
            _("The address was changed"),
            {**_DEVICE, "from_email": "old@example.com", "to_email": "new@example.com"},
        ),
        "account/email/email_deleted": (
            _("An address was removed"),
            {**_DEVICE, "deleted_email": "old@example.com"},
        ),
        "mfa/email/totp_activated": (_("Codes from an app were turned on"), _DEVICE),
        "mfa/email/totp_deactivated": (_("Codes from an app were turned off"), _DEVICE),
        "mfa/email/recovery_codes_generated": (_("New recovery codes"), _DEVICE),
        "mfa/email/webauthn_added": (_("A passkey was added"), _DEVICE),
        "mfa/email/webauthn_removed": (_("A passkey was removed"), _DEVICE),
        "socialaccount/email/account_connected": (_("A provider was connected"), {**_DEVICE, "provider": "Google"}),
        "socialaccount/email/account_disconnected": (
            _("A provider was disconnected"),
            {**_DEVICE, "provider": "Google"},
        ),
    }
)


def previews() -> list[Preview]:
    """All of them, those of the rooms first."""
    of_rooms = [
        Preview(kind.name, kind.say, lambda person, kind=kind: mails.write(mails.sample(kind, person)))  # type: ignore[misc]
        for kind in kinds()
        if not kind.staff
    ]
    return of_rooms + [Preview(name.replace("/email/", "."), SIGN_IN[name][0], _sign_in(name)) for name in SIGN_IN]


def named(name: str) -> Preview | None:
    return next((preview for preview in previews() if preview.name == name), None)


def _sign_in(template: str) -> Callable[[User], EmailMessage]:
    def make(person: User) -> EmailMessage:
        facts = {"user": person, "email": person.email, "timestamp": timezone.now(), **SIGN_IN[template][1]}
        message: EmailMessage = get_adapter().render_mail(template, person.email, facts)
        return message

    return make
