"""How allauth behaves in this house."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.account.utils import filter_users_by_email
from allauth.core import context as allauth_context
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from requests import Session

from accounts.actions import MAX_NAME
from accounts.loopback import from_this_machine
from accounts.models import User
from config.kit import sealing
from config.kit.errors import Refusal, TooMany

log = structlog.get_logger(__name__)
WAIT = 300  # seconds after too many wrong codes or passwords: the longest window of ACCOUNT_RATE_LIMITS
WAYS = {
    "reauthenticate": gettext_lazy("Use your password"),
    "mfa_reauthenticate": gettext_lazy("Use a code"),
    "mfa_reauthenticate:webauthn": gettext_lazy("Use a passkey"),
}
LIMITS = ("too_many_login_attempts", "rate_limited")


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": gettext_lazy("That address and that password do not belong together."),
        "incorrect_code": gettext_lazy("That code is not right. Take the one from the newest mail."),
        # said only to who has read the mail that went there
        "email_taken": gettext_lazy("That address has an account of its own. Sign in to that one, or take another."),
        "incorrect_password": gettext_lazy("That is not your password."),
    }

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Whoever tries this out on their own machine is told where the mail went, for no inbox will ring."""
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # whatever the mail server says or does not say
            log.error("mail_not_sent", mail=template_prefix, error=str(error))
            say = _("The mail could not be sent just now. Please try again in a minute.")
            raise Refusal(say, code="mail", status=503) from error
        request = allauth_context.request
        if not settings.EMAIL_URL and from_this_machine(request):
            say = _("No mail server is set up here.")
            read = _("Read the mail on this machine")
            messages.info(request, format_html('{} <a class="link" href="{}">{}</a>', say, reverse("mail"), read))

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Of what is done already: it stays done when its mail cannot leave. The trail tells of it as well."""
        with suppress(Refusal):
            super().send_notification_mail(*args, **kwargs)

    def validation_error(self, code: str, *args: Any) -> Exception:
        """What is tried too often is answered as such (429, when to come again), not as a slip in a form."""
        if code in LIMITS:
            raise TooMany(_("That was tried too often. Wait up to five minutes, then try again."), retry_after=WAIT)
        error: Exception = super().validation_error(code, *args)
        return error

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Who has neither a password nor a second step is asked to come by their provider again; allauth lets go."""
        required = bool(super().is_reauthentication_required(app=app, **kwargs))
        request = allauth_context.request
        if required and comes_by_provider_alone(request.user) and not came_by_provider_lately(request):
            raise ReauthenticationRequired
        return required

    def get_reauthentication_methods(self, user: AbstractBaseUser | AnonymousUser) -> list[dict[str, Any]]:
        methods = [way | {"description": WAYS[way["id"]]} for way in super().get_reauthentication_methods(user)]
        if not methods and comes_by_provider_alone(user):
            methods = [{"id": "provider", "description": "", "url": reverse("accounts:confirm_by_provider")}]
        return methods


def comes_by_provider_alone(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Nothing of their own to confirm it is them: Google or Discord must vouch again."""
    return (
        isinstance(user, User)
        and not get_reauthentication_flows(user)
        and SocialAccount.objects.filter(user=user).exists()
    )


def came_by_provider_lately(request: HttpRequest) -> bool:
    assert isinstance(request.user, User)
    since = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    records = get_authentication_records(request, request.user)
    return any(entry["method"] == "socialaccount" and entry["at"] > since for entry in records)


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    error_messages = DefaultSocialAccountAdapter.error_messages | {
        "no_password": gettext_lazy("This is your only way to sign in. Set a password first, then disconnect it."),
    }

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        """One name, as people write it; allauth knows only first and last names."""
        user = super().populate_user(request, sociallogin, data)
        assert isinstance(user, User)
        given = sociallogin.account.extra_data.get("global_name")  # Discord's: how its person is shown there
        parts = (data.get("first_name") or "", data.get("last_name") or "")
        user.name = (given or data.get("name") or " ".join(parts)).strip()[:MAX_NAME]
        return user

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """After the provider has answered, before anybody is signed in, signed up or connected."""
        sociallogin.token = None  # it has told who it is; nothing of ours ever holds it, the session included
        process = sociallogin.state.get("process")
        if process == AuthProcess.REDIRECT:
            _vouch_again(request, sociallogin)
        elif process != AuthProcess.CONNECT and not sociallogin.is_existing:
            _point_to_the_account_there_is(request, sociallogin)

    def get_requests_session(self) -> Session:
        """A provider's refusal is an error, told on its page; allauth would read a person out of it."""
        session: Session = super().get_requests_session()
        session.hooks["response"].append(lambda answer, **_: answer.raise_for_status())
        return session

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: SocialAccount) -> str:
        return reverse("socialaccount_connections")


def _vouch_again(request: HttpRequest, sociallogin: SocialLogin) -> None:
    """A password or a second step is asked for where there is one: an open Google account does not replace it."""
    if not sociallogin.is_existing or sociallogin.user != request.user:
        messages.error(request, _("That is another account than the one you are signed in with here."))
    elif comes_by_provider_alone(request.user):
        account = sociallogin.account
        record_authentication(
            request, request.user, "socialaccount", provider=account.provider, uid=account.uid, reauthenticated=True
        )


def _point_to_the_account_there_is(request: HttpRequest, sociallogin: SocialLogin) -> None:
    """The provider vouches that the address is theirs, so they may know that it has an account; it is not opened.

    Whoever comes with an address that nobody vouches for goes on as with any other, and learns nothing.
    """
    proven = next((address.email for address in sociallogin.email_addresses if address.verified), None)
    if proven and filter_users_by_email(proven):
        context = {"email": proven, "provider": sociallogin.provider.name, "request": request}
        raise ImmediateHttpResponse(render(request, "socialaccount/email_taken.html", context))


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets of the second step lie sealed in the database; passkeys are called by what they are."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": gettext_lazy("That code is not right. Codes change every half minute: take the newest."),
        "unverified_email": gettext_lazy("Confirm your email address first: it is how you get back in."),
    }

    def encrypt(self, text: str) -> str:
        return sealing.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return sealing.unseal(encrypted_text)
        except sealing.Unreadable as error:
            say = _("The second step cannot be checked: a key of this site is missing. Please write to its operator.")
            raise Refusal(say, code="sealed", status=503) from error

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        entity: dict[str, str] = super().get_public_key_credential_rp_entity()
        return entity | {"name": "ArtistCloner"}

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return _("Passkey") if number == 1 else _("Passkey %(number)d") % {"number": number}
