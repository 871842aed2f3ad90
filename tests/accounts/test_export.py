"""Everything of a person in one archive: what is in it, how it is made, and who may have it."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import time
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts import exporting, outbox, tasks
from accounts.exporting import Archive, rooms
from accounts.exporting.making import LEASE, MAX_ATTEMPTS
from accounts.models import AuditEntry, DataExport, Notification, User
from billing.models import Entitlement
from config.kit import media
from config.kit.errors import Conflict, TooMany
from gallery.models import Artwork
from styles.models import Adapter, Reference
from tests.accounts.whole import EMAIL, make_whole_person
from tests.builders import make_user
from tests.web.world import World

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _own_disk(tmp_path: Path, settings: Settings) -> None:
    settings.STATE_DIR = tmp_path / "state"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_whole_person(tmp_path)


def made(user: User) -> DataExport:
    export = exporting.ask(user=user)
    assert exporting.work() == 1
    export.refresh_from_db()
    return export


def opened(export: DataExport) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(media.read(export.key)))
    assert archive.testzip() is None
    return archive


def rows(archive: zipfile.ZipFile, name: str) -> Any:
    return json.loads(archive.read(name))


# --- what is in it ------------------------------------------------------------------------------------------------


def test_it_holds_everything_of_the_person_and_nothing_of_others(world: World) -> None:
    other = make_user("karl@example.com", name="Karl Other")
    user = world.owner
    archive = opened(made(user))
    names = archive.namelist()

    assert rows(archive, "account/account.json")["email"] == EMAIL
    assert rows(archive, "account/profile.json")["avatar"] == "account/avatar.webp"
    assert {row["name"] for row in rows(archive, "account/tokens.json")} == {"kept"}
    assert "203.0.113.9" in {row["ip"] for row in rows(archive, "account/sessions.json")}
    assert {"Profile changed", "Account let in again"} <= {row["what"] for row in rows(archive, "account/trail.json")}
    assert {row["say"] for row in rows(archive, "credits/ledger.json")} >= {"A pack for Ines Moreau"}
    assert rows(archive, "credits/plan.json")["plan"]["plan"] == "starter"
    assert {row["lookup_key"] for row in rows(archive, "credits/purchases.json")} == {"pack_50"}
    assert {row["kind"] for row in rows(archive, "jobs/jobs.json")} == {"train_lora", "text_to_image"}

    [artwork] = rows(archive, "gallery/artworks.json")
    kept = Artwork.objects.get(owner=user)
    assert archive.read(artwork["file"]) == media.read(kept.key)
    assert artwork["recipe"] == kept.recipe
    asked = {row["prompt"]: row for row in rows(archive, "requests/requests.json")}
    with_mask = asked["a boat for Ines Moreau"]
    assert {with_mask["mask"], with_mask["began_with"]} <= set(names)
    assert asked["a house"]["styles"][0]["version"] == 1

    styles = [rows(archive, name) for name in names if name.endswith("/style.json")]
    assert {style["name"] for style in styles} == {"Hedgerow", "Portrait of Ines Moreau", "Thrown away"}
    portrait = next(style for style in styles if style["consents"])
    assert portrait["consents"][0]["subject_name"] == "Ines Moreau"
    works = [row for name in names if re.fullmatch("styles/.*/works.json", name) for row in rows(archive, name)]
    assert len(works) == Reference.objects.with_deleted().filter(style__owner=user).count()
    assert {row["caption"] for row in works} >= {"subject number 1"}
    weights = [name for name in names if "/versions/" in name and name.endswith(".safetensors")]
    ready = Adapter.objects.filter(style__owner=user, state="ready")
    assert sorted(archive.read(name) for name in weights) == sorted(media.read(adapter.key) for adapter in ready)

    [training] = [rows(archive, name) for name in names if name.endswith("/training.json")]
    assert training["state"] == "succeeded"
    everything = b"".join(archive.read(name) for name in names)
    assert other.email.encode() not in everything


def test_it_holds_no_secret(world: World) -> None:
    user = world.owner
    user.set_password("correct horse battery staple")
    user.save()
    archive = opened(made(user))
    everything = b"".join(archive.read(name) for name in archive.namelist())
    for token in user.tokens.all():
        assert token.hash.encode() not in everything
    assert user.password.encode() not in everything
    assert django_settings.SECRET_KEY.encode() not in everything
    assert b'"seed": "s"' not in everything  # of the recovery codes


def test_its_readme_says_what_is_where_and_its_manifest_counts_the_files(world: World) -> None:
    archive = opened(made(world.owner))
    readme = archive.read("README.txt").decode()
    for room in rooms.rooms():
        assert re.search(rf"^{room.name}/ ", readme, re.MULTILINE)
    folders = {name.partition("/")[0] for name in archive.namelist() if "/" in name}
    assert folders == {room.name for room in rooms.rooms()}
    manifest = rows(archive, "manifest.json")
    assert manifest["could_not_be_read"] == []
    for file in manifest["files"]:
        assert archive.getinfo(file["name"]).file_size == file["bytes"]
        assert archive.getinfo(file["name"]).compress_type == zipfile.ZIP_STORED


def test_what_is_missing_is_told_inside_and_the_rest_is_there(world: World) -> None:
    artwork = Artwork.objects.get(owner=world.owner)
    media.delete(artwork.key)
    archive = opened(made(world.owner))
    [missing] = rows(archive, "manifest.json")["could_not_be_read"]
    assert artwork.filename in missing["name"]
    assert missing["why"] == "it is not there any more"
    assert rows(archive, "gallery/artworks.json")[0]["file"] == ""


def test_a_marked_picture_whose_master_is_gone_is_told_as_missing(world: World, settings: Settings) -> None:
    settings.BILLING = True
    Entitlement.objects.filter(user=world.owner).update(plan="free", given="")
    artwork = Artwork.objects.get(owner=world.owner)
    for key in artwork.keys:
        media.delete(key)
    archive = opened(made(world.owner))
    assert [missing["why"] for missing in rows(archive, "manifest.json")["could_not_be_read"]] == [
        "it is not there any more"
    ]


# --- how it is made -----------------------------------------------------------------------------------------------


def test_one_is_made_at_a_time() -> None:
    user = make_user()
    exporting.ask(user=user)
    with pytest.raises(Conflict, match="being made already"):
        exporting.ask(user=user)
    exporting.ask(user=make_user())


def test_five_a_day_are_enough() -> None:
    user = make_user()
    for _number in range(5):
        made(user)
    with pytest.raises(TooMany):
        exporting.ask(user=user)


def test_the_person_is_told_when_it_is_ready_and_the_earlier_one_goes() -> None:
    user = make_user("ines@example.com")
    first = made(user)
    second = made(user)
    first.refresh_from_db()
    assert (first.state, first.key, second.state) == ("gone", "", "ready")
    assert len(media.read(second.key)) == second.bytes
    assert Notification.objects.filter(user=user, kind="account.export").count() == 2
    mail.outbox.clear()
    outbox.work()
    assert {letter.to[0] for letter in mail.outbox} == {"ines@example.com"}


def test_how_far_it_is_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    user, seen = make_user(), []
    monkeypatch.setattr(rooms, "_rooms", {})
    for name in ("one", "two", "three"):

        def write(person: User, archive: Archive) -> None:
            row = DataExport.objects.get(user=user)
            seen.append((row.state, row.progress))

        exporting.register(name, write, say="")
    made(user)
    assert seen == [("making", 0.0), ("making", 0.25), ("making", 0.5)]


def broken_room(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def write(user: User, archive: Archive) -> None:
        raise error

    monkeypatch.setitem(rooms._rooms, "account", rooms.Room("account", write, ""))


def test_a_full_disk_is_told_in_words_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    broken_room(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    user = make_user()
    export = made(user)
    assert (export.state, export.key) == ("failed", "")
    assert "disk is full" in export.error
    assert list((Path(settings.STATE_DIR) / "exports").iterdir()) == []


def test_a_failure_is_told_and_another_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user()
    with monkeypatch.context() as patch:
        broken_room(patch, RuntimeError("a slip"))
        assert made(user).state == "failed"
    assert made(user).state == "ready"


def test_one_whose_maker_was_killed_is_made_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user()
    export = exporting.ask(user=user)
    with monkeypatch.context() as patch:
        broken_room(patch, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            exporting.work()
    assert exporting.work() == 0, "its maker may only be slow"
    DataExport.objects.filter(pk=export.pk).update(seen_at=timezone.now() - LEASE - timedelta(seconds=1))
    assert exporting.work() == 1
    export.refresh_from_db()
    assert (export.state, export.attempts) == ("ready", 2)


def test_what_a_killed_maker_left_on_the_disk_is_removed(settings: Settings) -> None:
    folder = Path(settings.STATE_DIR) / "exports"
    folder.mkdir(parents=True)
    old, fresh = folder / "old-1.zip", folder / "fresh-1.zip"
    for path in (old, fresh):
        path.write_bytes(b"half")
    hours_ago = time.time() - 4 * 3600
    os.utime(old, (hours_ago, hours_ago))
    exporting.work()
    assert list(folder.iterdir()) == [fresh]


def test_one_that_is_never_finished_fails_after_three_makers() -> None:
    user = make_user()
    long_ago = timezone.now() - timedelta(hours=1)
    export = DataExport.objects.create(user=user, state="making", attempts=MAX_ATTEMPTS, seen_at=long_ago)
    assert exporting.work() == 0
    export.refresh_from_db()
    assert export.state == "failed"
    assert "three times" in export.error


def test_a_maker_that_was_given_up_changes_nothing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes to its end when the next has made the archive already: that one's file stays as it is."""
    user = make_user()
    export = exporting.ask(user=user)
    real, nested = media.take_in, []

    def slow(key: str, path: Path) -> str:
        if not nested:
            nested.append(key)
            DataExport.objects.filter(pk=export.pk).update(seen_at=timezone.now() - LEASE - timedelta(seconds=1))
            exporting.work()
        return real(key, path)

    monkeypatch.setattr(media, "take_in", slow)
    exporting.work()
    export.refresh_from_db()
    assert (export.state, export.attempts) == ("ready", 2)
    assert len(media.read(export.key)) == export.bytes
    assert not media.exists(nested[0])
    assert Notification.objects.filter(user=user, kind="account.export").count() == 1


def test_after_seven_days_the_file_is_removed() -> None:
    export = made(make_user())
    assert exporting.expire() == 0
    DataExport.objects.filter(pk=export.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    assert exporting.expire() == 1
    assert not media.exists(export.key)
    export.refresh_from_db()
    assert (export.state, export.key) == ("gone", "")


# --- the page -----------------------------------------------------------------------------------------------------


def sign_in(client: Client) -> User:
    user = make_user("ines@example.com", password=PASSWORD)
    client.force_login(user)
    return user


def confirm(client: Client, answer: Any) -> Any:
    """Answer the question for the password, and come where it leads."""
    assert "/accounts/reauthenticate/" in answer["Location"]
    return client.post(answer["Location"], {"password": PASSWORD}, follow=True)


def test_it_is_asked_for_and_had_only_by_who_confirms_that_it_is_them(client: Client) -> None:
    user = sign_in(client)
    answer = client.post("/settings/data/export/ask/")
    assert not DataExport.objects.exists()
    confirm(client, answer)
    assert DataExport.objects.get().user == user
    exporting.work()
    export = DataExport.objects.get()

    download = f"/settings/data/export/{export.public_id}/"
    answer = client.get(download)
    assert answer["Location"].startswith(f"/media/{export.key}")
    file = client.get(answer["Location"])
    assert file["Content-Type"] == "application/zip"
    assert "attachment" in file["Content-Disposition"]
    assert AuditEntry.objects.filter(verb="export.download", actor=user).count() == 1

    session = client.session
    session["account_authentication_methods"] = []
    session.save()
    assert "/accounts/reauthenticate/" in client.get(download)["Location"]


def test_nobody_else_has_it(client: Client) -> None:
    export = made(make_user())
    sign_in(client)
    assert client.get(f"/settings/data/export/{export.public_id}/").status_code == 404


def test_the_page_asks_how_far_it_is_only_while_it_is_made(client: Client) -> None:
    user = sign_in(client)
    assert "hx-trigger" not in client.get("/settings/data/export/").content.decode()
    exporting.ask(user=user)
    part = client.get("/settings/data/export/", headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith('<section class="settings-group" id="export"')
    assert 'hx-trigger="every 2s"' in part
    exporting.work()
    ready = client.get("/settings/data/export/", headers={"HX-Request": "true"}).content.decode()
    assert "hx-trigger" not in ready
    assert "Download it" in ready


@pytest.mark.django_db(transaction=True)
def test_the_task_makes_it_on_the_side_and_no_chore_waits_behind_it() -> None:
    export = exporting.ask(user=make_user())
    begun = time.monotonic()
    tasks.own_data()
    assert time.monotonic() - begun < 0.5
    while DataExport.objects.get(pk=export.pk).is_running:
        assert time.monotonic() - begun < 30, "nobody makes it"
        time.sleep(0.1)
    assert DataExport.objects.get(pk=export.pk).state == "ready"
