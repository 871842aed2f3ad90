"""Picture, links and language: what others see of a person, and what the house knows of them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from pytest_django.fixtures import Settings

from accounts.models import AuditEntry, Profile, User
from accounts.tokens import create_token
from config.kit import media
from tests.builders import make_user

pytestmark = pytest.mark.django_db(transaction=True)  # files go once the database agrees


@pytest.fixture
def artist(client: Client) -> User:
    user = make_user("ines@example.com")
    client.force_login(user)
    return user


def photograph(width: int = 900, height: int = 600) -> bytes:
    """Red on its left, blue on its right, a place in its metadata."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
    exif = Image.Exif()
    exif[0x010E] = "SECRET PLACE"
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif)
    return out.getvalue()


def send(client: Client, content: bytes, name: str = "me.jpg") -> Any:
    return client.post("/settings/avatar/", {"avatar": SimpleUploadedFile(name, content, "image/jpeg")})


def profile_of(user: User) -> Profile:
    return Profile.objects.get(user=user)


def test_a_picture_becomes_a_small_square_without_metadata(client: Client, artist: User) -> None:
    assert send(client, photograph()).status_code == 302
    content = media.read(profile_of(artist).avatar_key)
    with Image.open(io.BytesIO(content)) as kept:
        assert (kept.format, kept.size) == ("WEBP", (320, 320))
        left, right = kept.convert("RGB").getpixel((10, 160)), kept.convert("RGB").getpixel((310, 160))
    assert b"SECRET" not in content
    assert b"EXIF" not in content
    assert left[0] > 200 > 60 > left[2]  # type: ignore[index,operator]
    assert right[2] > 200 > 60 > right[0]  # type: ignore[index,operator]


def test_the_shell_shows_it_and_the_letters_again_when_it_is_removed(client: Client, artist: User) -> None:
    send(client, photograph())
    bar = client.get("/settings/").content.decode().partition("</header>")[0]
    assert f"/media/{profile_of(artist).avatar_key}" in bar
    client.post("/settings/avatar/remove/")
    bar = client.get("/settings/").content.decode().partition("</header>")[0]
    assert "/media/" not in bar


def test_the_old_picture_goes_when_another_comes(client: Client, artist: User) -> None:
    send(client, photograph())
    old = profile_of(artist).avatar_key
    send(client, photograph())
    new = profile_of(artist).avatar_key
    assert old != new
    assert not media.exists(old)
    assert media.exists(new)
    client.post("/settings/avatar/remove/")
    assert not media.exists(new)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<html></html>", "web page"),
        (photograph()[:400], "Save the picture"),
        (b"", "empty"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_sentence_at_the_field(
    client: Client, artist: User, content: bytes, sentence: str
) -> None:
    answer = send(client, content)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert 'id="avatar-error"' in answer.content.decode()


def test_without_a_file_it_says_so(client: Client, artist: User) -> None:
    answer = client.post("/settings/avatar/")
    assert answer.status_code == 422
    assert "Choose a picture first." in answer.content.decode()


def save(client: Client, *links: tuple[str, str]) -> tuple[int, str]:
    form = {"name": "", "handle": "", "about": ""}
    pairs = {"link_label": [label for label, _url in links], "link_url": [url for _label, url in links]}
    answer = client.post("/settings/profile/", form | pairs, headers={"HX-Request": "true"})
    return answer.status_code, answer.content.decode()


def test_links_are_kept_in_their_order_with_a_label_each(client: Client, artist: User) -> None:
    links = ("Shop", "https://shop.example.com/ines"), ("", ""), ("", "www.example.org")
    status, html = save(client, *links)
    assert status == 200
    assert profile_of(artist).links == [
        {"label": "Shop", "url": "https://shop.example.com/ines"},
        {"label": "example.org", "url": "https://www.example.org"},
    ]
    assert html.count('name="link_url"') == 4  # the two, and room for two more


@pytest.mark.parametrize(
    ("label", "url", "sentence"),
    [
        ("Shop", "", "has no address"),
        ("Shop", "http://example.com", "https://"),
        ("Shop", "javascript:alert(1)", "https://"),
        ("Shop", "javascript://example.com/%0aalert(1)", "https://"),
        ("Shop", "https://", "https://"),
        ("Shop", "https://bank.example@evil.example/", "name before its host"),
        ("Shop", "https://example.com/" + "x" * 300, "300 are the most"),
        ("x" * 41, "https://example.com", "40 are the most"),
    ],
)
def test_a_link_that_leads_nowhere_good_is_refused_and_stays_to_be_mended(
    client: Client, artist: User, label: str, url: str, sentence: str
) -> None:
    status, html = save(client, (label, url))
    assert status == 422
    assert sentence in html
    assert label in html
    assert not Profile.objects.exclude(links=[]).exists()


def test_only_the_row_of_the_wrong_link_is_marked_and_its_sentence_stands_in_it(client: Client, artist: User) -> None:
    _status, html = save(client, ("Mine", "https://example.com"), (" ", ""), ("Shop", "http://shop.example"))
    rows = html.split('<div class="link-row">')[1:]
    assert ["https://example.com" in rows[0], "http://shop.example" in rows[1]] == [True, True]
    assert [row.count('aria-invalid="true" aria-describedby="id_links_error"') for row in rows] == [0, 2, 0, 0]
    assert html.count('id="id_links_error"') == rows[1].count('id="id_links_error"') == 1
    assert html.count("invalid") == 3  # the row itself and its two inputs


def test_a_sixth_link_is_refused(client: Client, artist: User) -> None:
    status, html = save(client, *[("", f"https://{n}.example.com") for n in range(6)])
    assert status == 422
    assert "5 links are the most" in html


def test_the_api_reads_and_writes_the_same(client: Client, artist: User) -> None:
    send(client, photograph())
    api = Client(headers={"Authorization": f"Bearer {create_token(user=artist, name='x')[1]}"})
    body = {"links": [{"label": "Shop", "url": "https://example.com"}], "language": "en"}
    me = api.put("/api/v1/me", body, content_type="application/json").json()
    assert me["links"] == body["links"]
    assert me["language"] == "en"
    assert client.get(me["avatar_url"])["Content-Type"] == "image/webp"
    refused = api.put("/api/v1/me", {"links": [{"url": "http://x"}]}, content_type="application/json")
    assert refused.status_code == 422
    assert "links" in refused.json()["errors"]


def test_the_api_takes_a_picture_and_lets_it_go(client: Client, artist: User) -> None:
    api = Client(headers={"Authorization": f"Bearer {create_token(user=artist, name='x', scopes=['account'])[1]}"})
    file = SimpleUploadedFile("me.jpg", photograph(), "image/jpeg")
    me = api.post("/api/v1/me/avatar", {"file": file}).json()
    assert me["avatar_url"].startswith("http://testserver/media/avatars/")
    assert api.delete("/api/v1/me/avatar").json()["avatar_url"] == ""
    refused = api.post("/api/v1/me/avatar", {"file": SimpleUploadedFile("me.jpg", b"<svg/>")})
    assert refused.status_code == 422
    assert "SVG" in refused.json()["detail"]


def test_with_one_language_the_page_says_that_there_is_one(client: Client, artist: User) -> None:
    assert "The only one so far." in client.get("/settings/").content.decode()


def test_the_chosen_language_holds_on_every_page_whatever_the_browser_says(
    client: Client, artist: User, settings: Settings
) -> None:
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    assert client.post("/settings/appearance/", {"theme": "dark", "language": "de"}).status_code == 302
    for path in ("/settings/", "/studio/"):
        assert '<html lang="de"' in client.get(path, headers={"Accept-Language": "en"}).content.decode()
    assert client.post("/settings/appearance/", {"theme": "dark", "language": "tlh"}).status_code == 422


def test_the_trail_says_what_was_changed_and_nothing_when_nothing_was(client: Client, artist: User) -> None:
    save(client, ("", "https://example.com"))
    save(client, ("", "https://example.com"))
    assert [entry.detail for entry in AuditEntry.objects.filter(verb="profile.save")] == [{"changed": ["links"]}]
    client.post("/settings/avatar/remove/")
    assert AuditEntry.objects.filter(verb="profile.save").count() == 1
