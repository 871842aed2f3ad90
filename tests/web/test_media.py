"""Files behind signed addresses: whole, and in the parts that a player asks for."""

from __future__ import annotations

import pytest
from django.test import Client

from config.kit import media

pytestmark = pytest.mark.django_db

CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)


@pytest.fixture
def url() -> str:
    return media.signed_url(media.save("artworks/film.mp4", CONTENT))


def body(answer: object) -> bytes:
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_the_whole_file_says_that_parts_may_be_asked_for(url: str) -> None:
    answer = Client().get(url)
    assert (answer.status_code, answer["Content-Type"], answer["Accept-Ranges"]) == (200, "video/mp4", "bytes")
    assert answer["Content-Length"] == str(SIZE)
    assert body(answer) == CONTENT


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=100-199", 100, 199),
        (f"bytes={SIZE - 5}-", SIZE - 5, SIZE - 1),
        ("bytes=-7", SIZE - 7, SIZE - 1),
        ("bytes=9000-999999999", 9000, SIZE - 1),
        ("bytes=-999999999", 0, SIZE - 1),
        ("bytes=5-5", 5, 5),
    ],
)
def test_a_part_is_just_that_part(url: str, asked: str, first: int, last: int) -> None:
    answer = Client().get(url, headers={"Range": asked})
    assert (answer.status_code, answer["Content-Type"]) == (206, "video/mp4")
    assert answer["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer["Content-Length"] == str(last - first + 1)
    assert body(answer) == CONTENT[first : last + 1]


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=-0", "bytes=99999999-"])
def test_a_part_beyond_the_end_is_none(url: str, asked: str) -> None:
    answer = Client().get(url, headers={"Range": asked})
    assert answer.status_code == 416
    assert answer["Content-Range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "asked",
    ["bytes=20-10", "bytes=a-b", "bytes=-", "pages=1-2", "bytes=0-1,5-6", "bytes=٣-٤", "bytes=" + "9" * 5000 + "-"],
)
def test_what_cannot_be_understood_is_answered_by_the_whole(url: str, asked: str) -> None:
    answer = Client().get(url, headers={"Range": asked})
    assert answer.status_code == 200
    assert body(answer) == CONTENT


def test_a_condition_on_a_file_we_gave_no_mark_of_brings_the_whole(url: str) -> None:
    answer = Client().get(url, headers={"Range": "bytes=0-9", "If-Range": '"abc"'})
    assert answer.status_code == 200


def test_a_part_of_what_is_not_signed_is_not_there(url: str) -> None:
    forged = url.replace("film.mp4", "other.mp4")
    assert Client().get(forged, headers={"Range": "bytes=0-9"}).status_code == 404


@pytest.mark.parametrize("period", ["", "²", "9" * 5000, "-1"])
def test_a_moment_that_is_no_number_is_not_there(url: str, period: str) -> None:
    answer = Client().get(url.partition("?")[0], {"p": period, "s": "x"})
    assert answer.status_code == 404


def test_a_download_may_come_in_parts() -> None:
    url = media.signed_url(media.save("artworks/film.mp4", CONTENT), download="fox.mp4")
    answer = Client().get(url, headers={"Range": "bytes=10-19"})
    assert answer["Content-Disposition"] == 'attachment; filename="fox.mp4"'
    assert body(answer) == CONTENT[10:20]
