"""A new address: the old one stays until the new one is proven, and is told of the change."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from accounts.models import AuditEntry
from tests.accounts.signing_in import (
    EMAIL,
    PASSWORD,
    is_in,
    mailed_code,
    sign_in,
    signed_in,
    with_password,
)

pytestmark = pytest.mark.django_db
PAGE, CODE = "/accounts/email/", "/accounts/confirm-email/"
NEW = "new@example.com"


def ask(client: Client, email: str = NEW) -> Any:
    return client.post(PAGE, {"email": email, "action_add": ""}, follow=True)


def test_the_old_address_stays_until_the_code_from_the_new_one_is_typed() -> None:
    client, user = signed_in()
    answer = ask(client)
    assert answer.redirect_chain[-1][0] == CODE
    assert mail.outbox[-1].to == [NEW]
    user.refresh_from_db()
    assert user.email == EMAIL
    assert is_in_with(EMAIL)
    client.post(CODE, {"code": mailed_code()})
    user.refresh_from_db()
    assert user.email == NEW
    assert [one.email for one in EmailAddress.objects.all()] == [NEW]
    assert (is_in_with(NEW), is_in_with(EMAIL)) == (True, False)


def is_in_with(email: str) -> bool:
    client = Client()
    sign_in(client, email)
    return is_in(client)


def test_the_old_address_is_told_of_the_change_and_the_trail_names_no_address() -> None:
    client, _user = signed_in()
    ask(client)
    code = mailed_code()
    before = len(mail.outbox)
    client.post(CODE, {"code": code})
    told = mail.outbox[before:]
    assert [message.to for message in told] == [[EMAIL]]
    assert NEW in str(told[0].body)
    deed = AuditEntry.objects.get(verb="email.change")
    assert "@" not in str(deed.detail)


def test_a_wrong_code_changes_nothing() -> None:
    client, user = signed_in()
    ask(client)
    client.post(CODE, {"code": "AAAA-AAAA"})
    user.refresh_from_db()
    assert user.email == EMAIL


def test_it_asks_whether_it_is_still_them_and_goes_on_with_what_was_asked() -> None:
    with_password()
    client = Client()
    sign_in(client)
    answer = ask(client)
    assert answer.redirect_chain[-1][0].startswith("/accounts/reauthenticate/?next=")
    assert not [message for message in mail.outbox if message.to == [NEW]]
    answer = client.post("/accounts/reauthenticate/?next=/accounts/email/", {"password": PASSWORD})
    assert answer["Location"] == CODE
    assert mail.outbox[-1].to == [NEW]


@pytest.mark.parametrize("proven", [True, False])
def test_an_address_that_has_an_account_gets_the_same_answer_and_is_not_taken_over(proven: bool) -> None:
    """Whoever has an account must not find out who else has one, nor get at it."""
    theirs = with_password("taken@example.com")
    if not proven:  # somebody signed up with it and never read the mail
        EmailAddress.objects.filter(user=theirs).delete()
    client, user = signed_in()
    ways = [ask(client, email).redirect_chain for email in (NEW, "taken@example.com")]
    assert ways[0] == ways[1]
    answer = client.post(CODE, {"code": mailed_code()}, follow=True)
    assert "has an account of its own" in answer.content.decode()
    user.refresh_from_db()
    theirs.refresh_from_db()
    assert (user.email, theirs.email) == (EMAIL, "taken@example.com")
    assert [one.email for one in EmailAddress.objects.filter(user=user)] == [EMAIL]


def test_the_page_says_what_it_waits_for_and_leads_there() -> None:
    client, _user = signed_in()
    assert "waits for the code" not in client.get(PAGE).content.decode()
    ask(client)
    page = client.get(PAGE).content.decode()
    assert f"{NEW} waits for the code" in page
    assert f'href="{CODE}"' in page


def test_the_page_names_the_address_there_is() -> None:
    client, _user = signed_in()
    assert EMAIL in client.get(PAGE).content.decode()
