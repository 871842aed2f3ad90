"""Signing up through a provider that vouches for the address: no code is mailed, the free credits come at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from allauth.core.context import request_context
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import complete_social_login
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.google.provider import GoogleProvider
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from accounts.models import User
from billing.models import CreditAccount, CreditGrant
from billing.plans import FREE_CREDITS
from tests.builders import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _google(settings: Settings) -> Iterator[None]:
    """What setting GOOGLE_CLIENT_ID does."""
    settings.SOCIALACCOUNT_PROVIDERS = {"google": {"APPS": [{"client_id": "x", "secret": "y", "key": ""}]}}
    registry.register(GoogleProvider)
    yield
    del registry.provider_map["google"]


def come_from_google(*, verified: bool, email: str = "ines@example.com") -> HttpRequest:
    """What follows once Google has answered: allauth's own completion, with what Google said of the person."""
    request = RequestFactory().get("/accounts/google/login/callback/")
    request.user = AnonymousUser()
    request.session = SessionStore()
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
    said = {"sub": "12345", "email": email, "email_verified": verified}
    said |= {"given_name": "Ines", "family_name": "Moreau", "name": "Ines Moreau"}
    with request_context(request):
        provider = get_adapter().get_provider(request, "google")
        complete_social_login(request, provider.sociallogin_from_response(request, said))
    return request


def test_a_verified_address_brings_the_name_and_the_free_credits_at_once() -> None:
    request = come_from_google(verified=True)
    user = User.objects.get()
    assert (user.email, user.name) == ("ines@example.com", "Ines Moreau")
    assert request.session["_auth_user_id"] == str(user.pk)
    assert CreditAccount.objects.get(user=user).available == FREE_CREDITS
    assert mail.outbox == []


def test_coming_again_brings_no_more_credits() -> None:
    come_from_google(verified=True)
    come_from_google(verified=True)
    assert User.objects.count() == 1
    assert CreditGrant.objects.count() == 1


def test_an_address_that_google_does_not_vouch_for_must_be_proven_first() -> None:
    request = come_from_google(verified=False)
    assert "_auth_user_id" not in request.session
    assert not CreditGrant.objects.exists()
    assert mail.outbox[-1].to == ["ines@example.com"]


def test_the_address_of_an_existing_account_does_not_open_it() -> None:
    make_user("ines@example.com", password="a hedgerow in November")
    request = come_from_google(verified=True)
    assert "_auth_user_id" not in request.session
    assert not SocialAccount.objects.exists()


def test_a_banned_person_does_not_come_in_through_google() -> None:
    come_from_google(verified=True)
    User.objects.update(state=User.State.BANNED, is_active=False)
    assert "_auth_user_id" not in come_from_google(verified=True).session
