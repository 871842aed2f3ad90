"""Closing an account: what stops at the ask, what is gone at the end, what stays and why."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core import mail
from django.core.files.storage import default_storage
from django.db import connection, models
from django.db.models.functions import Cast
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts import actions, audit, closing, exporting, outbox
from accounts.closing import finishing, rooms
from accounts.models import AuditEntry, Closing, Notification, Outbox, User
from accounts.tokens import create_token, token_of
from billing import ledger
from config.kit import media
from config.kit.errors import Conflict, Refusal
from gallery.models import Artwork
from generation import adapters
from generation.actions import create_request
from gpu.models import Job
from styles.models import Adapter, Style
from tests.accounts.whole import EMAIL, HANDLE, NAME, make_whole_person
from tests.builders import make_style, make_user, make_version
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


def asked(user: User) -> Closing:
    return closing.ask(user=user, typed=user.email)


def overdue(row: Closing) -> None:
    Closing.objects.filter(pk=row.pk).update(due_at=timezone.now() - timedelta(minutes=1))


def closed(user: User) -> Closing:
    row = asked(user)
    overdue(row)
    assert closing.work() == 1
    row.refresh_from_db()
    return row


def files(folder: str = "") -> Iterator[str]:
    folders, names = default_storage.listdir(folder)
    yield from (f"{folder}{name}" for name in names)
    for name in folders:
        yield from files(f"{folder}{name}/")


# --- the ask ------------------------------------------------------------------------------------------------------


def test_at_the_ask_work_is_cancelled_its_credits_come_back_and_public_things_become_private(
    settings: Settings,
) -> None:
    settings.BILLING = True
    user = make_user("ines@example.com")
    ledger.grant(user=user, amount=50, source_ref="welcome", say="Welcome")
    style = make_style(user, works=1)
    make_version(style)
    wish = {"prompt": "a house", "styles": [{"id": str(style.public_id), "weight": 1}]}
    create_request(owner=user, tool="text_to_image", data=wish)
    plain = create_token(user=user, name="x")[1]
    assert ledger.account_of(user).held > 0

    row = asked(user)

    assert set(Job.objects.filter(owner=user).values_list("state", flat=True)) == {"cancelled"}
    assert (ledger.account_of(user).available, ledger.account_of(user).held) == (50, 0)
    assert token_of(plain) is None
    assert row.due_at - row.asked_at == pytest.approx(timedelta(days=14), abs=timedelta(seconds=5))
    assert Closing.objects.get().stopped_at is not None


def test_public_pictures_become_private(world: World) -> None:
    Artwork.objects.filter(owner=world.owner).update(visibility="public")
    asked(world.owner)
    assert set(Artwork.objects.filter(owner=world.owner).values_list("visibility", flat=True)) == {"private"}


def test_nothing_new_begins_until_it_is_taken_back(world: World) -> None:
    asked(world.owner)
    style = Style.objects.filter(owner=world.owner, status="trained").first()
    assert style is not None
    wish = {"prompt": "a house", "styles": [{"id": str(style.public_id), "weight": 1}]}
    with pytest.raises(Conflict, match="closes on"):
        create_request(owner=world.owner, tool="text_to_image", data=wish)
    assert closing.take_back(user=world.owner)
    create_request(owner=world.owner, tool="text_to_image", data=wish)


@pytest.mark.parametrize("typed", ["", "yes", "ines@example.co"])
def test_it_is_not_asked_for_by_mistake(typed: str) -> None:
    user = make_user("ines@example.com")
    with pytest.raises(Refusal, match="Type your email address"):
        closing.ask(user=user, typed=typed)
    assert not Closing.objects.exists()


@pytest.mark.parametrize("typed", ["INES@example.com", " close "])
def test_the_address_or_the_word_will_do(typed: str) -> None:
    assert closing.ask(user=make_user("ines@example.com"), typed=typed).done_at is None


def test_it_is_asked_for_once_at_a_time_and_again_after_it_was_taken_back() -> None:
    user = make_user()
    asked(user)
    with pytest.raises(Conflict):
        asked(user)
    assert closing.take_back(user=user)
    assert not closing.take_back(user=user)
    asked(user)
    assert Closing.objects.count() == 2


def test_staff_gives_back_their_rights_first() -> None:
    with pytest.raises(Refusal, match="rights"):
        asked(make_user(is_staff=True))


def test_the_person_is_told_by_mail_at_the_ask_and_when_it_is_taken_back() -> None:
    user = make_user("ines@example.com")
    asked(user)
    closing.take_back(user=user)
    outbox.work()
    assert [(letter.to, letter.subject[:20]) for letter in mail.outbox] == [
        (["ines@example.com"], "Your account closes "),
        (["ines@example.com"], "Your account stays"),
    ]


def test_what_cannot_be_stopped_now_is_stopped_later(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[User] = []

    def stop(user: User) -> None:
        calls.append(user)
        if len(calls) == 1:
            raise OSError("Stripe is away")

    monkeypatch.setitem(rooms._rooms, "elsewhere", rooms.Room("elsewhere", stop=stop))
    user = make_user()
    row = asked(user)
    assert "Stripe is away" in Closing.objects.get(pk=row.pk).error
    closing.work()
    assert calls == [user, user]
    assert Closing.objects.get(pk=row.pk).stopped_at is not None


# --- the end ------------------------------------------------------------------------------------------------------

# What docs/your-data.md says stays, and what refers to the nameless row.
STAYS = {
    "accounts.AuditEntry",
    "accounts.Closing",
    "accounts.Outbox",
    "billing.CreditAccount",
    "billing.Purchase",
    "billing.StripeCustomer",
    "djstripe.Customer",
}


def people_fields(model: type[models.Model]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if field.remote_field and field.related_model is User]


def text_fields(model: type[models.Model]) -> list[str]:
    kinds = (models.CharField, models.TextField, models.JSONField)
    return [field.name for field in model._meta.concrete_fields if isinstance(field, kinds)]


def speaking_of(words: list[str]) -> list[tuple[str, str, str]]:
    """Every row of every table that holds one of the words, whichever of its texts."""
    found = []
    for model in apps.get_models():
        for field in text_fields(model):
            texts = model._default_manager.annotate(in_text=Cast(field, models.TextField()))
            for word in words:
                if texts.filter(in_text__icontains=word).exists():
                    found.append((model._meta.label, field, word))
    return found


def test_nothing_of_the_person_is_left_but_what_the_docs_name(world: World, tmp_path: Path) -> None:
    other = make_user("karl@example.com", name="Karl")
    make_version(make_style(other, works=1, name="Karl's"))
    user = world.owner
    exporting.ask(user=user)
    exporting.work()
    for adapter in Adapter.objects.filter(style__owner=user, state="ready"):
        adapters.on_disk(adapter)
    words = [EMAIL, NAME, HANDLE, "ines.example", "203.0.113.9", "a boat for"]
    assert len(speaking_of(words)) > 15
    assert len(set(files())) > 15

    row = closed(user)
    outbox.work()

    owned = {
        model._meta.label
        for model in apps.get_models()
        for field in people_fields(model)
        if model._default_manager.filter(**{field: user.pk}).exists()
    }
    assert owned <= STAYS
    assert speaking_of(words) == []
    public = str(user.public_id)
    others = {key for style in Style.objects.with_deleted() for key in files(f"styles/{style.public_id}/")}
    others |= set(Adapter.objects.values_list("key", flat=True))
    assert set(files()) == {key for key in others if key}
    assert not any(public in str(path) for path in tmp_path.rglob("*"))
    cached = list((tmp_path / "state" / "cache" / "adapters").glob("*.safetensors"))
    assert cached == []
    assert row.receipt["erased"]["gallery"] == {"pictures": 1}


def test_the_person_becomes_a_row_without_a_name_that_nobody_can_sign_in_to(world: World, client: Client) -> None:
    client.force_login(world.owner)
    closed(world.owner)
    user = User.objects.get(pk=world.owner.pk)
    assert (user.state, user.is_active, user.name, user.handle) == ("closed", False, "", None)
    assert user.email == f"closed-{user.public_id}@invalid"
    assert not user.has_usable_password()
    assert client.get("/studio/").status_code == 302


def test_a_closed_account_cannot_be_banned_and_so_never_be_let_in_again(world: World) -> None:
    closed(world.owner)
    world.owner.refresh_from_db()
    with pytest.raises(Refusal, match="is closed"):
        actions.ban(user=world.owner, actor=make_user(is_staff=True), reason="x")
    assert User.objects.get(pk=world.owner.pk).state == "closed"


def test_its_address_is_free_for_a_new_account(world: World) -> None:
    closed(world.owner)
    assert make_user(EMAIL).pk != world.owner.pk


def test_the_ledger_keeps_its_figures_and_loses_its_words(world: World) -> None:
    account = ledger.account_of(world.owner)
    lines = list(account.transactions.order_by("pk").values_list("kind", "amount", "balance", "key"))
    asked(world.owner)
    lines_then = list(account.transactions.order_by("pk").values_list("kind", "amount", "balance", "key"))
    overdue(Closing.objects.get())
    closing.work()
    assert lines_then[: len(lines)] == lines
    assert list(account.transactions.order_by("pk").values_list("kind", "amount", "balance", "key")) == lines_then
    assert set(account.transactions.values_list("say", flat=True)) == {""}


def test_the_trail_keeps_what_was_done_and_by_whom_and_loses_the_rest(world: World) -> None:
    closed(world.owner)
    trail = AuditEntry.objects.filter(target_kind="user", target=world.owner.public_id)
    assert {"profile.save", "account.unban", "closing.ask", "closing.done"} <= set(trail.values_list("verb", flat=True))
    assert set(map(str, trail.values_list("detail", flat=True))) == {"{}"}


def test_the_receipt_counts_by_room_goes_to_the_old_address_and_names_nobody(world: World, settings: Settings) -> None:
    settings.BACKUP_DAYS = 10
    mail.outbox.clear()
    row = closed(world.owner)
    outbox.work()
    letter = mail.outbox[-1]
    assert (letter.to, letter.subject) == ([EMAIL], "Your account is closed")
    expires = timezone.now().date() + timedelta(days=10)
    assert f"{expires.day} {expires:%B %Y}" in letter.body
    assert "Pictures" in letter.body
    assert row.receipt["backups_expire"] == expires.isoformat()
    assert row.receipt["erased"]["styles"]["styles"] == 3
    assert EMAIL not in json.dumps(row.receipt)
    assert NAME not in json.dumps(row.receipt)
    assert EMAIL not in str(list(Outbox.objects.values_list("payload", flat=True)))


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


def test_the_trail_of_others_stays_as_it_is(world: World) -> None:
    other = make_user()
    audit.record(actor=None, verb="account.ban", target_kind="user", target=other.public_id, detail={"reason": "x"})
    closed(world.owner)
    assert AuditEntry.objects.get(target=other.public_id).detail == {"reason": "x"}


def test_a_worker_elsewhere_tidies_weights_of_no_version_away(tmp_path: Path) -> None:
    style = make_style(works=1)
    kept, gone = make_version(style, weights=b"kept"), make_version(style, weights=b"gone")
    paths = [adapters.on_disk(version) for version in (kept, gone)]
    Adapter.objects.filter(pk=gone.pk).update(state="deleted", key="")
    adapters.tidy()
    assert paths[1].exists(), "a picture may be reading it just now"
    for path in paths:
        long_ago = timezone.now().timestamp() - adapters.IN_USE - 1
        os.utime(path, (long_ago, long_ago))
    adapters.tidy()
    assert [path.exists() for path in paths] == [True, False]


# --- the pages ----------------------------------------------------------------------------------------------------

PASSWORD = "correct horse battery"


@pytest.fixture
def artist(client: Client) -> User:
    user = make_user("ines@example.com", password=PASSWORD)
    client.force_login(user)
    return user


def close(client: Client, typed: str) -> Any:
    """Ask on the page, and confirm with the password where that is asked for."""
    answer = client.post("/settings/data/close/", {"typed": typed})
    if answer.status_code == 302 and "/accounts/reauthenticate/" in answer["Location"]:
        assert not Closing.objects.exists()
        answer = client.post(answer["Location"], {"password": PASSWORD}, follow=True)
    return answer


def test_the_page_tells_what_goes_and_offers_the_archive_first(client: Client, world: World) -> None:
    client.force_login(world.owner)
    html = client.get("/settings/data/").content.decode()
    assert html.index("Make a new archive") < html.index("Close my account")
    assert "Your gallery: 1 pictures and 0 films" in html
    assert "Your styles: 3, with" in html


def test_it_is_asked_for_after_the_password_and_every_page_says_when(client: Client, artist: User) -> None:
    html = close(client, "close").content.decode()
    row = Closing.objects.get(user=artist)
    day = f"{row.due_at.day} {row.due_at:%B %Y}"
    assert f"Your account closes on {day}" in html
    banner = f"Your account closes on {day}. Until then nothing new can begin."
    for path in ("/studio/", "/settings/", "/gallery/", "/credits/"):
        assert banner in client.get(path).content.decode(), path
    assert "Your account stays" in client.post("/settings/data/keep/", follow=True).content.decode()
    assert banner not in client.get("/studio/").content.decode()


def test_a_slip_of_the_pen_is_told_at_the_field(client: Client, artist: User) -> None:
    answer = close(client, "clse")
    assert answer.status_code == 422
    assert 'id="closing-error"' in answer.content.decode()
    assert not Closing.objects.exists()


def test_no_token_is_made_for_an_account_that_closes(client: Client, artist: User) -> None:
    asked(artist)
    answer = client.post("/settings/tokens/", {"name": "x", "scopes": ["read"]}, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert "Your account closes on" in answer.content.decode()
    assert not artist.tokens.exists()
