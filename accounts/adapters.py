"""How allauth behaves in this house."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as allauth_context
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from accounts.actions import MAX_NAME
from accounts.loopback import from_this_machine
from accounts.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Whoever tries this out on their own machine is told where the mail went, for no inbox will ring."""
        super().send_mail(template_prefix, email, context)
        request = allauth_context.request
        if not settings.EMAIL_URL and from_this_machine(request):
            say = _("No mail server is set up here.")
            read = _("Read the mail on this machine")
            messages.info(request, format_html('{} <a class="link" href="{}">{}</a>', say, reverse("mail"), read))


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def populate_user(self, request: HttpRequest, sociallogin: Any, data: dict[str, Any]) -> User:
        """One name, as people write it; allauth knows only first and last names."""
        user = super().populate_user(request, sociallogin, data)
        assert isinstance(user, User)
        parts = (data.get("first_name") or "", data.get("last_name") or "")
        user.name = (data.get("name") or " ".join(parts)).strip()[:MAX_NAME]
        return user
