"""What an operator does from the terminal: a token, a sign-in link, credits."""

from __future__ import annotations

from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from accounts.models import ApiToken, Scope, SignInLink, User
from accounts.tokens import token_of
from billing.models import CreditAccount, CreditGrant
from billing.plans import FREE_CREDITS
from tests.builders import make_user

pytestmark = pytest.mark.django_db


def output_of(*args: str) -> str:
    out = StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def test_it_prints_the_token_alone_and_makes_a_verified_account_with_free_credits() -> None:
    printed = output_of("api_token", "Artist@Example.com", "--create")
    user = User.objects.get(email="artist@example.com")
    token = token_of(printed.strip())
    assert token is not None
    assert (token.user, token.scopes) == (user, list(Scope.values))
    assert printed.count("\n") == 1
    assert EmailAddress.objects.get(user=user).verified
    assert not user.has_usable_password()
    assert CreditAccount.objects.get(user=user).available == FREE_CREDITS


def test_it_gives_a_token_only_the_scopes_that_are_named() -> None:
    printed = output_of("api_token", "artist@example.com", "--create", "--scope", "read", "--scope", "billing")
    token = token_of(printed.strip())
    assert token is not None
    assert token.scopes == ["read", "billing"]


def test_a_second_token_is_of_the_same_person_and_brings_no_more_credits() -> None:
    one, two = (output_of("api_token", "artist@example.com", "--create").strip() for _ in range(2))
    assert one != two
    assert {token.user.email for token in ApiToken.objects.select_related("user")} == {"artist@example.com"}
    assert CreditGrant.objects.count() == 1


@pytest.mark.parametrize("command", ["api_token", "signin_link"])
def test_an_unknown_address_needs_create(command: str) -> None:
    with pytest.raises(CommandError, match=r"There is no account of x@example\.com\. Add --create"):
        output_of(command, "x@example.com")


def test_what_is_no_address_makes_no_account() -> None:
    with pytest.raises(CommandError, match="is not an email address"):
        output_of("api_token", "artist", "--create")
    assert not User.objects.exists()


def test_a_banned_account_gets_no_token() -> None:
    banned = make_user(state=User.State.BANNED)
    with pytest.raises(CommandError, match="is banned"):
        output_of("api_token", banned.email)


def test_the_link_is_printed_alone_and_only_its_hash_is_kept() -> None:
    printed = output_of("signin_link", "artist@example.com", "--create")
    assert printed.startswith("http://localhost:8000/settings/sign-in/")
    assert printed.count("\n") == 1
    secret = printed.strip().rstrip("/").rpartition("/")[2]
    assert SignInLink.objects.get().hash != secret


@pytest.mark.parametrize("url", ["https://artist.example", "http://192.168.1.5:8000", "http://localhost.example"])
def test_there_is_no_link_where_the_server_is_reached_from_elsewhere(settings: Settings, url: str) -> None:
    settings.PUBLIC_URL = url
    with pytest.raises(CommandError, match="only where the server is reached on its own machine"):
        output_of("signin_link", "artist@example.com", "--create")
    assert not User.objects.exists()


def test_credits_are_granted_and_shown() -> None:
    user = make_user("artist@example.com")
    assert "has 500 credits" in output_of("credits", "grant", "artist@example.com", "500", "--say", "For the show")
    shown = output_of("credits", "show", "artist@example.com")
    assert "500 to spend, 0 held" in shown
    assert "For the show" in shown
    assert CreditAccount.objects.get(user=user).available == 500


def test_two_grants_are_two_gifts() -> None:
    make_user("artist@example.com")
    for _ in range(2):
        output_of("credits", "grant", "artist@example.com", "500")
    assert CreditAccount.objects.get().available == 1000


@pytest.mark.parametrize("amount", ["0", "1000001"])
def test_a_grant_out_of_bounds_is_refused(amount: str) -> None:
    make_user("artist@example.com")
    with pytest.raises(CommandError, match="Grant between 1 and 1,000,000"):
        output_of("credits", "grant", "artist@example.com", amount)
