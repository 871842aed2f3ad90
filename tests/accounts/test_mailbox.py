"""The local mailbox: real mails as Django's file backend writes them, shown to this machine only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core import mail
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.test import Client
from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    settings.MAIL_DIR = tmp_path
    settings.EMAIL_FILE_PATH = str(tmp_path)
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    yield tmp_path
    mail.outbox = []


def send(subject: str = "Your code", body: str = "Your code is ABC-DEF.") -> None:
    EmailMessage(subject, body, to=["ines@example.com"]).send()


def test_a_mail_can_be_read_without_the_rule_under_it(client: Client) -> None:
    send(
        "Grüße — your code",
        "Your code is ABC-DEF.\n" + "-" * 79 + "\nBelow a rule of its own: https://x.example/a?b=1&c=2",
    )
    listed = client.get("/mail/")
    assert "Grüße — your code" in listed.content.decode()
    assert "no-store" in listed["Cache-Control"]
    address = re.search(r'href="(/mail/[^"]+/)"', listed.content.decode())
    assert address
    shown = client.get(address.group(1)).content.decode()
    assert "Your code is ABC-DEF." in shown
    assert 'href="https://x.example/a?b=1&amp;c=2"' in shown
    assert shown.count("-" * 79) == 1  # its own one stays, the file's goes


def test_the_newest_mail_comes_first_and_only_the_text_of_a_mail_is_shown(client: Client, folder: Path) -> None:
    send("First")
    message = EmailMultiAlternatives("Second", "plain words", to=["ines@example.com"])
    message.attach_alternative("<script>alert(1)</script>", "text/html")
    message.send()
    html = client.get("/mail/").content.decode()
    assert html.index("Second") < html.index("First")
    newest = re.search(r'href="(/mail/[^"]+/)"[^>]*>Second', html)
    assert newest
    shown = client.get(newest.group(1)).content.decode()
    assert "plain words" in shown
    assert "alert(1)" not in shown


def test_a_mail_is_shown_as_it_looks_in_a_frame_that_may_do_nothing(client: Client) -> None:
    message = EmailMultiAlternatives("Both", "plain words", to=["ines@example.com"])
    message.attach_alternative('<p style="color: red">drawn words</p>', "text/html")
    message.send()
    address = re.findall(r'href="(/mail/[^"]+/)"', client.get("/mail/").content.decode())[0]
    assert 'href="?side=html"' in client.get(address).content.decode()
    page = client.get(f"{address}?side=html")
    assert f'sandbox src="{address}looks/"' in page.content.decode()
    assert "drawn words" not in page.content.decode()
    assert "unsafe-inline" not in page["Content-Security-Policy"]
    frame = client.get(f"{address}looks/")
    assert "drawn words" in frame.content.decode()
    rules = {rule.strip() for rule in frame["Content-Security-Policy"].split(";")}
    assert {"sandbox", "default-src 'none'", "style-src 'unsafe-inline'", "frame-ancestors 'self'"} <= rules
    assert not [rule for rule in rules if rule.startswith("script-src") or "allow-" in rule]
    assert (frame["X-Frame-Options"], "no-store" in frame["Cache-Control"]) == ("SAMEORIGIN", True)
    assert client.get(f"{address}looks/", REMOTE_ADDR="192.168.1.7").status_code == 404


def test_a_mail_of_text_alone_has_no_other_side(client: Client) -> None:
    send()
    address = re.findall(r'href="(/mail/[^"]+/)"', client.get("/mail/").content.decode())[0]
    shown = client.get(f"{address}?side=html").content.decode()
    assert "ABC-DEF" in shown
    assert "<iframe" not in shown
    assert client.get(f"{address}looks/").status_code == 404


def test_mails_that_share_a_file_are_told_apart(client: Client, folder: Path) -> None:
    with mail.get_connection() as connection:
        for subject in ("First", "Second"):
            EmailMessage(subject, f"{subject} body", to=["ines@example.com"], connection=connection).send()
    assert len(list(folder.glob("*.log"))) == 1
    listed = client.get("/mail/").content.decode()
    addresses = re.findall(r'href="(/mail/[^"]+/)"', listed)
    assert ["Second body" in client.get(address).content.decode() for address in addresses] == [True, False]


def test_what_a_mail_says_is_never_html(client: Client) -> None:
    send("<b>bold</b>", "<img src=x>")
    listed = client.get("/mail/").content.decode()
    assert "<b>bold</b>" not in listed
    address = re.search(r'href="(/mail/[^"]+/)"', listed)
    assert address
    assert "<img src=x>" not in client.get(address.group(1)).content.decode()


def test_an_empty_mailbox_says_what_will_come(client: Client) -> None:
    assert "No mail yet" in client.get("/mail/").content.decode()


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e%2fsecret_key"])
def test_a_mail_that_is_not_there_is_not_found(client: Client, name: str) -> None:
    assert client.get(f"/mail/{name}/").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"REMOTE_ADDR": "192.168.1.7"},
        {"REMOTE_ADDR": "203.0.113.9", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": "203.0.113.9"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
        {"HTTP_FORWARDED": "for=203.0.113.9"},
        {"HTTP_X_REAL_IP": "203.0.113.9"},
        {"HTTP_VIA": "1.1 proxy"},
    ],
)
def test_it_does_not_exist_for_a_browser_elsewhere(client: Client, headers: dict[str, str]) -> None:
    send()
    assert client.get("/mail/", **headers).status_code == 404


def test_it_does_not_exist_on_a_public_server_or_beside_a_mail_server(client: Client, settings: Settings) -> None:
    settings.EMAIL_URL = "smtp://localhost"
    assert client.get("/mail/").status_code == 404
    settings.EMAIL_URL = ""
    settings.PUBLIC_URL = "https://artist.example"
    assert client.get("/mail/").status_code == 404
