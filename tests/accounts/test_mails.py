"""Mails: both sides of each, what they carry, the way out of them, and what staff see of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts import mails, notices, notifications, outbox, previews
from accounts.models import Outbox, User
from accounts.notifications import Kind, choose, notify
from accounts.signals import email_verified
from billing import notices as billing_notices
from gpu import lifecycle
from tests.builders import make_user, staff_client
from tests.training.ready import checkpoint_event, done_event, running_run

pytestmark = pytest.mark.django_db

TALK = Kind("test.talk", "Talk of the day", mail=True, action="Read it")


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "_kinds", dict(notifications._kinds))
    notifications.register(TALK)


@pytest.fixture
def artist() -> User:
    return make_user("ines@example.com", name="Ines")


def sent() -> mail.EmailMultiAlternatives:
    """The one mail that leaves now."""
    mail.outbox.clear()
    outbox.work()
    (message,) = mail.outbox
    assert isinstance(message, mail.EmailMultiAlternatives)
    return message


def html_of(message: mail.EmailMultiAlternatives) -> str:
    ((html, kind),) = message.alternatives
    assert kind == "text/html"
    return str(html)


def tell(user: User, **fields: str) -> None:
    notify(user=user, kind=TALK.name, key="1", title=fields.pop("title", "News"), **fields)


def test_a_mail_says_the_same_on_both_of_its_sides(artist: User, settings: Settings) -> None:
    facts = [("Style", "Harbour"), ("Cost", "40 credits")]
    notify(user=artist, kind=TALK.name, key="1", title="News", body="It is done.", url="/styles/", facts=facts)
    message = sent()
    assert (message.subject, message.to) == ("News", ["ines@example.com"])
    for side in (message.body, html_of(message)):
        for said in ("News", "It is done.", "Harbour", "40 credits", f"{settings.PUBLIC_URL}/styles/", "Read it"):
            assert said in side, said


def test_its_message_id_follows_from_its_key_so_that_a_double_is_known(artist: User) -> None:
    tell(artist)
    first = sent().extra_headers["Message-ID"]
    Outbox.objects.update(
        done_at=None,
        due_at=timezone.now(),
        payload={"kind": TALK.name, "to": "x@x.example", "title": "News", "body": "", "url": "", "facts": []},
    )
    assert sent().extra_headers["Message-ID"] == first
    assert re.fullmatch(r"<[0-9a-f]{32}@[\w.]+>", first)


def test_what_an_artist_called_their_style_is_text_and_one_line(artist: User) -> None:
    tell(artist, title="<b>Harbour</b>\nBcc: evil@example.com", body="<script>alert(1)</script>")
    message = sent()
    assert "\n" not in message.subject
    assert message.recipients() == ["ines@example.com"]
    assert "<script" not in html_of(message)
    assert "<b>" not in html_of(message)


def test_it_goes_to_the_address_of_the_moment_it_was_told(artist: User) -> None:
    tell(artist)
    User.objects.update(email="erased@example.com")
    assert sent().to == ["ines@example.com"]


def test_who_changed_their_mind_meanwhile_gets_no_mail(artist: User) -> None:
    tell(artist)
    choose(user=artist, kind=TALK.name, mail=False)
    outbox.work()
    assert mail.outbox == []
    assert Outbox.objects.get().done_at is not None


def test_who_was_shut_out_meanwhile_gets_only_what_binds(artist: User) -> None:
    tell(artist)
    billing_notices.receipt(user=artist, key="invoice:in_1", title="Your receipt", body="$9.99")
    User.objects.update(state=User.State.BANNED, is_active=False)
    assert sent().subject == "Your receipt"


# --- the way out ---


def unsubscribe_path(message: mail.EmailMultiAlternatives, settings: Settings) -> str:
    header: str = message.extra_headers["List-Unsubscribe"]
    return header.removeprefix(f"<{settings.PUBLIC_URL}").removesuffix(">")


def test_one_click_of_a_mail_program_turns_the_mails_of_that_kind_off(artist: User, settings: Settings) -> None:
    tell(artist)
    message = sent()
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mails.unsubscribe_url(artist, TALK) in message.body
    stranger = Client(enforce_csrf_checks=True)
    path = unsubscribe_path(message, settings)
    assert "No more of these mails?" in stranger.get(path).content.decode()
    assert notifications.mailed(notifications.profile_of(artist), TALK), "opening it turns nothing off"
    assert stranger.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not notifications.mailed(notifications.profile_of(artist), TALK)
    assert "No more of these mails." in stranger.get(path).content.decode()


def test_a_receipt_has_no_such_way_out(artist: User) -> None:
    billing_notices.receipt(user=artist, key="invoice:in_1", title="Your receipt", body="$9.99")
    message = sent()
    assert "List-Unsubscribe" not in message.extra_headers
    assert "unsubscribe" not in message.body + html_of(message)


@pytest.mark.parametrize("change", [lambda path: path[:-2] + "x/", lambda path: "/notifications/unsubscribe/x/"])
def test_an_address_that_we_never_wrote_turns_nothing_off(artist: User, change: object) -> None:
    path = mails.unsubscribe_url(artist, TALK).removeprefix(mails.absolute(""))
    assert Client().post(change(path)).status_code == 404  # type: ignore[operator]
    assert notifications.mailed(notifications.profile_of(artist), TALK)


# --- who sends what ---


def test_whoever_proves_an_address_is_welcomed_once(artist: User) -> None:
    for _ in range(2):
        email_verified.send(sender=User, user=artist)
    message = sent()
    assert message.subject == "Welcome to ArtistCloner"
    assert "Train it." in message.body
    assert "Train it." in html_of(message)


def test_the_end_of_a_training_says_what_came_of_it_and_what_it_cost(tmp_path: Path) -> None:
    run, job = running_run()
    for ordinal, step in ((1, 100), (2, 200)):
        event = checkpoint_event(job, tmp_path, ordinal=ordinal, step=step)
        lifecycle.deliver(job_id=job.pk, fence=job.fence, event=event)
    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job))
    message = sent()
    assert message.subject == f"{run.style.name} has learned"
    for said in (f"Version: {run.adapter.number}", "Cost: 20 credits", f"/training/{run.style.public_id}/"):
        assert said in message.body, said


def test_a_training_that_fails_says_why_and_that_it_cost_nothing() -> None:
    run, job = running_run()
    lifecycle.fail(job_id=job.pk, fence=job.fence, code="bad_dataset", say="Three works cannot be read.")
    message = sent()
    assert message.subject == f"{run.style.name} could not finish learning"
    assert "Three works cannot be read." in message.body
    assert "Cost: 0 credits" in message.body


def test_whoever_cancels_a_training_is_not_told_that_it_was_cancelled() -> None:
    run, job = running_run()
    lifecycle.request_cancel(job_id=job.pk)
    lifecycle.cancelled(job_id=job.pk, fence=job.fence)
    assert not run.job.owner.notifications.exists()


def test_credits_that_run_low_are_told_once_for_what_came_in(artist: User) -> None:
    for left in (9, 4):
        billing_notices.credits_low(user=artist, available=left, last_grant=7)
    assert sent().subject == "9 credits are left."


# --- what staff see ---


@pytest.mark.parametrize("name", [preview.name for preview in previews.previews()])
def test_every_mail_has_a_subject_and_two_sides_that_fetch_nothing(name: str) -> None:
    preview = previews.named(name)
    assert preview is not None
    message = preview.make(make_user("staff@example.com"))
    assert isinstance(message, mail.EmailMultiAlternatives)
    html = html_of(message)
    assert message.subject.strip()
    assert message.body.strip()
    assert "{{" not in message.body + html
    assert "{%" not in message.body + html
    assert not re.search(r"<img|url\(|@import|<link|<script", html), "nothing is fetched and nothing runs"
    assert not re.search(r'href="(?!https?://)', html), "an address in a mail is a whole one"
    assert "prefers-color-scheme: dark" in html


def test_every_mail_that_allauth_may_send_is_one_of_ours() -> None:
    import allauth

    root = Path(allauth.__file__).parent / "templates"
    theirs = {str(path.relative_to(root)).removesuffix("_subject.txt") for path in root.rglob("email/*_subject.txt")}
    assert theirs == set(previews.SIGN_IN)
    ours = Path(mails.__file__).parents[1] / "templates"
    for name in theirs:
        for end in ("_subject.txt", "_message.txt", "_message.html"):
            assert (ours / f"{name}{end}").exists(), f"{name}{end}"


def test_staff_look_at_every_mail_in_a_frame_that_may_do_nothing() -> None:
    client = staff_client()
    listed = client.get("/admin/accounts/outbox/mails/").content.decode()
    for preview in previews.previews():
        address = f"/admin/accounts/outbox/mails/{preview.name}/"
        assert address in listed
    html = client.get(f"/admin/accounts/outbox/mails/{notices.WELCOME}/").content.decode()
    assert re.search(r'<iframe[^>]* sandbox srcdoc="&lt;!doctype html&gt;', html)
    assert client.get("/admin/accounts/outbox/mails/nothing/").status_code == 404


def test_staff_send_a_mail_to_themselves() -> None:
    staff = make_user("staff@example.com", is_staff=True, is_superuser=True)
    staff_client(staff).post(f"/admin/accounts/outbox/mails/{notices.WELCOME}/send/")
    (message,) = mail.outbox
    assert message.to == ["staff@example.com"]


def test_staff_who_may_not_see_the_outbox_see_and_send_no_mails() -> None:
    client = staff_client(make_user(is_staff=True))
    address = f"/admin/accounts/outbox/mails/{notices.WELCOME}/"
    assert client.get("/admin/accounts/outbox/mails/").status_code == 403
    assert client.get(address).status_code == 403
    assert client.post(f"{address}send/").status_code == 403
    assert mail.outbox == []


def test_who_is_not_staff_sees_no_mails(client: Client, artist: User) -> None:
    client.force_login(artist, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/admin/accounts/outbox/mails/").status_code == 302
