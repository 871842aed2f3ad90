"""Effects after the commit: done at least once, never by two at a time, tried again, given up with a word to staff."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts import outbox
from accounts.models import Notification, Outbox
from accounts.tasks import deliver, tidy
from tests.builders import make_user

MAIL = Outbox.Kind.MAIL


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of what was done, in order."""
    done: list[str] = []
    monkeypatch.setitem(outbox._deliver, MAIL, lambda row: done.append(row.key))
    return done


def put(key: str = "1") -> None:
    outbox.put(kind=MAIL, key=key, payload={"to": "ines@example.com"})


def make_due() -> None:
    Outbox.objects.filter(done_at=None).update(due_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.django_db
def test_the_same_key_is_written_and_done_once(sent: list[str]) -> None:
    put()
    put()
    assert outbox.work() == 1
    assert outbox.work() == 0
    assert sent == ["1"]


@pytest.mark.django_db
def test_what_was_sent_is_not_kept(sent: list[str]) -> None:
    put()
    outbox.work()
    row = Outbox.objects.get()
    assert row.payload == {}
    assert row.done_at is not None


@pytest.mark.django_db
def test_the_bell_rings_after_the_commit(
    sent: list[str], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: object
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(outbox._bell, "ring", lambda: rung.append(1))
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        put()
        assert rung == []
    assert rung == [1]


@pytest.mark.django_db
def test_a_failure_waits_twice_as_long_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(row: Outbox) -> None:
        raise ConnectionRefusedError("the mail server is away")

    monkeypatch.setitem(outbox._deliver, MAIL, fail)
    put()
    waits = []
    for _ in range(4):
        assert outbox.work() == 0
        row = Outbox.objects.get()
        waits.append(round((row.due_at - timezone.now()).total_seconds() / 60))
        make_due()
    assert waits == [1, 2, 4, 8]
    assert Outbox.objects.get().error == "ConnectionRefusedError: the mail server is away"


def test_a_mail_server_that_hangs_is_let_go_before_the_next_attempt(settings: Settings) -> None:
    assert outbox.BACK_OFF.total_seconds() > settings.EMAIL_TIMEOUT


@pytest.mark.django_db
def test_what_fails_to_the_end_is_given_up_and_staff_are_told_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    staff, artist = make_user(is_staff=True), make_user()

    def fail(row: Outbox) -> None:
        raise OSError("no")

    monkeypatch.setitem(outbox._deliver, MAIL, fail)
    put("1")
    put("2")
    for _ in range(outbox.MAX_ATTEMPTS):
        outbox.work()
        make_due()
    assert outbox.given_up().count() == 2
    deliver()
    deliver()
    told = Notification.objects.get()
    assert (told.user, told.title) == (staff, "2 mails could not be sent.")
    assert not Notification.objects.filter(user=artist).exists()


@pytest.mark.django_db
def test_what_was_given_up_can_be_tried_again(sent: list[str]) -> None:
    put()
    Outbox.objects.update(attempts=outbox.MAX_ATTEMPTS)
    assert outbox.work() == 0
    assert outbox.again(row=Outbox.objects.get())
    assert not outbox.again(row=Outbox.objects.get()), "it is no more given up"
    assert outbox.work() == 1


@pytest.mark.django_db
def test_killed_between_sending_and_marking_it_is_sent_again_but_not_at_once(
    sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(row: Outbox) -> None:
        sent.append(row.key)
        raise SystemExit("killed")

    put()
    with monkeypatch.context() as patch:
        patch.setitem(outbox._deliver, MAIL, killed)
        with pytest.raises(SystemExit):
            outbox.work()
    assert outbox.work() == 0, "its back-off is not over"
    make_due()
    assert outbox.work() == 1
    make_due()
    assert outbox.work() == 0
    assert sent == ["1", "1"]


@pytest.mark.django_db
def test_what_was_done_long_ago_is_tidied_away(sent: list[str]) -> None:
    put("old")
    outbox.work()
    Outbox.objects.update(done_at=timezone.now() - outbox.DONE_LASTS - timedelta(days=1))
    put("waits")
    tidy()
    assert Outbox.objects.get().key == "waits"


@pytest.mark.django_db(transaction=True)
def test_four_workers_do_each_row_once(sent: list[str]) -> None:
    for number in range(40):
        put(str(number))

    def run() -> None:
        outbox.work()
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sent, key=int) == [str(number) for number in range(40)]


@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_has_in_hand_is_passed_over(sent: list[str]) -> None:
    put("held")
    put("free")
    with transaction.atomic():
        Outbox.objects.select_for_update().get(key="held")

        def run() -> None:
            outbox.work()
            connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(10)
        assert sent == ["free"]
    outbox.work()
    assert sent == ["free", "held"]


SENDS_AND_DIES = """
import os, signal, sys
import django
django.setup()
from accounts import outbox
from accounts.models import Outbox

def send(row):
    with open(sys.argv[1], "a") as sent:
        sent.write(f"{row.key}\\n")
    os.kill(os.getpid(), signal.SIGKILL)

outbox.register(Outbox.Kind.MAIL, send)
outbox.work()
"""


@pytest.mark.django_db(transaction=True)
def test_a_process_killed_after_sending_costs_a_double_and_never_a_loss(sent: list[str], tmp_path: Path) -> None:
    put("first")
    put("second")
    posted = tmp_path / "posted"
    found = connection.settings_dict
    address = f"postgres://{found['USER']}:{found['PASSWORD']}@{found['HOST']}:{found['PORT']}/{found['NAME']}"
    died = subprocess.run(
        [sys.executable, "-c", SENDS_AND_DIES, str(posted)], env=os.environ | {"DATABASE_URL": address}, timeout=60
    )
    assert died.returncode == -signal.SIGKILL
    assert posted.read_text().split() == ["first"]
    assert outbox.work() == 1, "the other row waits for nobody"
    make_due()
    assert outbox.work() == 1
    make_due()
    assert outbox.work() == 0
    assert sent == ["second", "first"]
