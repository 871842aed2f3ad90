"""People with passwords and second steps, and how they come in: the words the tests of signing in share."""

from __future__ import annotations

import re
import time
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core import mail
from django.test import Client

from accounts import actions
from accounts.models import User

PASSWORD = "a hedgerow in November"
EMAIL = "ines@example.com"


def with_password(email: str = EMAIL) -> User:
    """Somebody whose address is proven and who has a password."""
    user = actions.create_verified(email=email)
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(client: Client, email: str = EMAIL, password: str = PASSWORD, **more: Any) -> Any:
    return client.post("/accounts/login/", {"login": email, "password": password, **more})


def confirm(client: Client) -> None:
    """It is still them, by their password."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})


def signed_in(email: str = EMAIL) -> tuple[Client, User]:
    """Somebody at their browser, who said a moment ago that it is still them."""
    user, client = with_password(email), Client()
    sign_in(client, email)
    confirm(client)
    assert is_in(client)
    return client, user


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def app_for(user: User) -> str:
    """A code from an app becomes their second step; the secret."""
    secret: str = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def code_of(secret: str, *, lasts: float = 3.0) -> str:
    """What the app shows; one that still counts in so many seconds, for a busy machine may take its time."""
    left = 30 - time.time() % 30
    if left < lasts:
        time.sleep(left)
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def has_step(user: User, kind: str) -> bool:
    return Authenticator.objects.filter(user=user, type=kind).exists()


def mailed_code() -> str:
    found = re.search(r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found, mail.outbox[-1].body
    return found.group(1)


def told(answer: Any, *addresses: str) -> tuple[int, str, str]:
    """Status, way on and words of an answer, without what differs between two requests, and without the addresses."""
    words = answer.content.decode()
    for address in addresses:
        words = words.replace(address, "ADDRESS")
    words = re.sub(r'(csrfmiddlewaretoken" value=|X-CSRFToken": )"[^"]+"', "", words)
    words = re.sub(r"&quot;X-CSRFToken[^}]+", "", words)
    return answer.status_code, answer.headers.get("Location", ""), words
