"""The mail server is away: who waits for a mail is told, and what is done stays done."""

from __future__ import annotations

from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core.cache import cache
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client

from tests.accounts.signing_in import EMAIL, is_in, mailed_code, sign_in, signed_in

pytestmark = pytest.mark.django_db
NEW = "new@example.com"


def _away(*arguments: Any, **named: Any) -> int:
    raise SMTPServerDisconnected("away")


@pytest.mark.parametrize(
    ("page", "sent"),
    [
        ("/accounts/signup/", {"email": EMAIL, "password1": "a hedgerow in November"}),
        ("/accounts/password/reset/", {"email": EMAIL}),
        ("/accounts/login/code/", {"email": EMAIL}),
    ],
)
def test_who_waits_for_a_mail_is_told_to_try_again(
    page: str, sent: dict[str, str], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmailBackend, "send_messages", _away)
    answer = client.post(page, sent)
    assert answer.status_code == 503
    assert "could not be sent just now" in answer.content.decode()
    assert not is_in(client)


def test_who_signed_up_meanwhile_gets_the_code_by_signing_in(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as away:
        away.setattr(EmailBackend, "send_messages", _away)
        client.post("/accounts/signup/", {"email": EMAIL, "password1": "a hedgerow in November"})
    cache.clear()  # some time goes by: a code is sent every ten seconds at most
    other = Client()
    assert sign_in(other)["Location"] == "/accounts/confirm-email/"
    other.post("/accounts/confirm-email/", {"code": mailed_code()})
    assert is_in(other)


def test_a_change_stays_when_the_mail_about_it_cannot_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    client, user = signed_in()
    client.post("/accounts/email/", {"email": NEW, "action_add": ""})
    code = mailed_code()
    monkeypatch.setattr(EmailBackend, "send_messages", _away)
    assert client.post("/accounts/confirm-email/", {"code": code}).status_code == 302
    user.refresh_from_db()
    assert user.email == NEW
