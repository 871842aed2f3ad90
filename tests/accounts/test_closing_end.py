"""The end of an account: what is gone, what stays and why."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts import actions, audit, closing, exporting, outbox
from accounts.models import AuditEntry, Closing, Outbox, User
from billing import ledger
from config.kit.errors import Refusal
from generation import adapters
from styles.models import Adapter, Style
from tests.accounts.closings import STAYS, asked, closed, files, overdue, people_fields, speaking_of
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
