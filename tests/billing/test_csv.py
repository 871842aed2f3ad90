"""The ledger as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
import uuid
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.test import AsyncClient, Client
from pytest_django.fixtures import Settings

from accounts.models import User
from billing import ledger, statement
from tests.builders import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _with_plans(settings: Settings) -> None:
    settings.BILLING = True


@pytest.fixture
def artist(client: Client) -> User:
    user = make_user()
    client.force_login(user)
    ledger.grant(user=user, amount=100, source_ref=f"pack:{user.pk}", say="Pack of 100")
    return user


async def whole(answer: Any) -> str:
    return b"".join([part async for part in answer.streaming_content]).decode()


def table_of(client: Client) -> list[dict[str, str]]:
    answer = client.get("/credits/lines.csv")
    assert answer.status_code == 200
    text = async_to_sync(whole)(answer)
    assert text.startswith(statement.BYTE_ORDER_MARK)
    return list(csv.DictReader(io.StringIO(text.removeprefix(statement.BYTE_ORDER_MARK))))


def test_every_line_is_there_from_the_first_and_they_add_up(client: Client, artist: User) -> None:
    job = uuid.uuid4()
    held = ledger.hold(user=artist, amount=60, key="job:1", say="Training Hedgerow v1", job=job, tool="train_lora")
    pieces = [("checkpoint 1 of 6", 10), ("checkpoint 2 of 6", 10)]
    ledger.capture(hold=held, amount=20, say="Training Hedgerow v1: 2 of 6", parts=pieces)
    rows = table_of(client)
    assert [(row["kind"], row["amount"], row["balance"], row["held"]) for row in rows] == [
        ("grant", "100", "100", ""),
        ("hold", "0", "100", "60"),
        ("capture", "-20", "80", ""),
    ]
    assert sum(int(row["amount"]) for row in rows) == 80
    assert rows[-1]["counted"] == "checkpoint 1 of 6: 10; checkpoint 2 of 6: 10"
    assert [row["counted"] for row in rows[:2]] == ["", ""]
    assert (rows[-1]["tool"], rows[-1]["job"]) == ("train_lora", str(job))


def test_it_is_a_file_that_no_cache_keeps(client: Client, artist: User) -> None:
    answer = client.get("/credits/lines.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="credits-20')
    assert "no-store" in answer["Cache-Control"]


def test_nobody_gets_the_lines_of_others(client: Client, artist: User) -> None:
    ledger.grant(user=make_user(), amount=5, source_ref="theirs", say="Their gift")
    assert [row["what"] for row in table_of(client)] == ["Pack of 100"]


@pytest.mark.parametrize(
    "words",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", '=HYPERLINK("http://x","y")', "=1,2\n=3"],
)
def test_what_people_wrote_is_never_a_formula(client: Client, artist: User, words: str) -> None:
    ledger.hold(user=artist, amount=1, key="job:1", say=words)
    assert table_of(client)[-1]["what"].replace("\r\n", "\n") == f"'{words}"


def test_plain_words_stay_as_they_are(client: Client, artist: User) -> None:
    ledger.hold(user=artist, amount=1, key="job:1", say="Picture: a “knight”, 100 % red; ümlaut")
    assert table_of(client)[-1]["what"] == "Picture: a “knight”, 100 % red; ümlaut"


@pytest.mark.django_db(transaction=True)
async def test_it_is_streamed_row_by_row_where_the_site_runs(settings: Settings) -> None:
    user = await User.objects.acreate(email="many@example.com")
    await sync_grants(user, count=3)
    client = AsyncClient()
    await client.aforce_login(user)
    answer = await client.get("/credits/lines.csv")
    parts = [part.decode() async for part in answer.streaming_content]  # type: ignore[attr-defined]
    assert len(parts) == 4
    assert parts[3].split(",")[2:5] == ["Gift 2", "1", "3"]


async def sync_grants(user: User, count: int) -> None:
    for number in range(count):
        await sync_to_async(ledger.grant)(user=user, amount=1, source_ref=f"gift:{number}", say=f"Gift {number}")
