"""What may come between the ask and the end: a change of mind, a kill, a store that is away, work that still runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts import closing
from accounts.closing import finishing, rooms
from accounts.models import Closing, Notification, User
from config.kit import media
from gallery.models import Artwork
from gpu.models import Job
from styles.models import Style
from tests.accounts.closings import asked, files, overdue, speaking_of
from tests.accounts.whole import EMAIL, NAME, make_whole_person
from tests.builders import make_user
from tests.web.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_disk(tmp_path: Path, settings: Settings) -> None:
    settings.STATE_DIR = tmp_path / "state"
    store = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path / "media")}}
    settings.STORAGES = {**settings.STORAGES, "default": store}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_whole_person(tmp_path)


def test_before_the_day_nothing_goes(world: World) -> None:
    asked(world.owner)
    before = set(files())
    assert closing.work() == 0
    assert set(files()) == before
    assert User.objects.get(pk=world.owner.pk).is_active


def test_a_closing_that_was_taken_back_never_happens(world: World) -> None:
    row = asked(world.owner)
    overdue(row)
    closing.take_back(user=world.owner)
    assert closing.work() == 0
    assert Style.objects.filter(owner=world.owner).exists()


def test_once_it_has_begun_it_cannot_be_taken_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(user: User) -> Any:
        raise OSError("the store is away")

    monkeypatch.setitem(rooms._rooms, "gallery", rooms.Room("gallery", erase=broken))
    row = asked(world.owner)
    overdue(row)
    assert closing.work() == 0
    assert not closing.take_back(user=world.owner)
    assert User.objects.get(pk=world.owner.pk).state == "closed"


@pytest.mark.parametrize("killed_after", range(1, 8))
def test_a_kill_between_any_two_rooms_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    """The power goes after so many rooms; the next minute goes on, and the receipt counts everything once."""
    row, left = asked(world.owner), killed_after
    overdue(row)
    real = dict(rooms._rooms)

    def until_the_power_goes(room: rooms.Room) -> rooms.Room:
        def erase(user: User) -> Any:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            return room.erase(user) if room.erase else {}

        return replace(room, erase=erase)

    for name, room in real.items():
        monkeypatch.setitem(rooms._rooms, name, until_the_power_goes(room))
    try:
        closing.work()
    except KeyboardInterrupt:
        pass
    else:
        assert killed_after == len(real)
    monkeypatch.undo()
    closing.work()
    row.refresh_from_db()
    assert row.done_at is not None
    assert row.receipt["erased"]["gallery"] == {"pictures": 1}
    assert row.receipt["erased"]["trainings"]["trainings"] == 1
    assert speaking_of([EMAIL, NAME]) == [("accounts.Outbox", "payload", EMAIL)]  # the receipt, until it has left


def test_what_cannot_be_erased_is_told_to_staff_once_a_day_and_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff = make_user(is_staff=True)
    real = media.delete

    def away(key: str) -> None:
        raise OSError("the store is away")

    monkeypatch.setattr(media, "delete", away)
    row = asked(world.owner)
    overdue(row)
    assert closing.work() == closing.work() == 0
    row.refresh_from_db()
    assert "the store is away" in row.error
    assert Notification.objects.filter(user=staff, kind="staff.closing").count() == 1
    monkeypatch.setattr(media, "delete", real)
    assert closing.work() == 1
    row.refresh_from_db()
    assert row.error == ""


def test_it_waits_for_work_that_still_runs(world: World) -> None:
    row = asked(world.owner)
    overdue(row)
    job = Job.objects.filter(owner=world.owner).first()
    assert job is not None
    Job.objects.filter(pk=job.pk).update(state="running", lease_until=timezone.now() + timedelta(minutes=1))
    assert closing.work() == 0
    row.refresh_from_db()
    assert "1 jobs" in row.error
    assert Artwork.objects.filter(owner=world.owner).exists()
    staff = make_user(is_staff=True)
    Closing.objects.update(due_at=timezone.now() - timedelta(hours=2))
    assert closing.work() == 0
    assert Notification.objects.filter(user=staff, kind="staff.closing").count() == 1
    Job.objects.filter(pk=job.pk).update(state="cancelled", lease_until=None)
    assert closing.work() == 1


def test_two_who_close_it_at_once_do_not_meet(world: World) -> None:
    row = asked(world.owner)
    overdue(row)
    elsewhere = connection.copy()
    try:
        with elsewhere.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s, %s)", [finishing._LOCKS, row.pk])
        assert closing.work() == 0
        assert Artwork.objects.filter(owner=world.owner).exists()
    finally:
        elsewhere.close()  # as when the other is killed
    assert closing.work() == 1
