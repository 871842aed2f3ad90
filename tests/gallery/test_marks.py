"""The mark of the free plan: on everything that leaves, on nothing that is kept, gone the moment the plan has none."""

from __future__ import annotations

import html
import io
import re
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image
from pytest_django.fixtures import Settings

from accounts.exporting import Archive
from accounts.models import User
from accounts.tokens import create_token
from billing import ledger
from billing.models import Entitlement
from config.kit import media
from gallery import actions, addresses, marks, own_data
from gallery.models import Artwork
from generation import sources
from generation.actions import create_request
from tests.builders import make_style, make_user, make_version
from tests.gallery.hanging import make_artwork, make_film
from tests.generation.making import finish

SIDE = 512


@pytest.fixture
def artist(db: None, settings: Settings) -> User:
    settings.BILLING = True
    return make_user()


@pytest.fixture
def picture(artist: User, tmp_path: Path) -> Artwork:
    return make_artwork(tmp_path, artist, width=SIDE, height=SIDE)


def pixels(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def again(artwork: Artwork) -> Artwork:
    return Artwork.objects.owned_by(artwork.owner).get(pk=artwork.pk)


def choose(user: User, plan: str) -> None:
    Entitlement.objects.update_or_create(user=user, defaults={"plan": plan})


# --- the drawing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1024, 1024), (512, 768), (768, 512), (128, 128), (96, 128), (64, 512), (512, 64)])
@pytest.mark.parametrize("ground", ["white", "black", "grey", "gold", "navy"])
def test_it_is_seen_in_the_corner_and_nowhere_else(size: tuple[int, int], ground: str) -> None:
    clean = Image.new("RGB", size, ground)
    marked = marks.drawn(clean)
    changed = np.abs(np.asarray(marked).astype(int) - np.asarray(clean)).max(axis=2)
    rows, columns = np.nonzero(changed > 24)
    assert changed.max() > 60  # well apart from its ground
    assert rows.min() >= size[1] * 0.45
    assert columns.min() >= size[0] * 0.45
    assert (changed > 24).mean() < 0.05  # small


def test_it_keeps_its_share_of_the_picture() -> None:
    small, large = (
        np.nonzero(np.asarray(marks.drawn(Image.new("L", (side, side)).convert("RGB"))).max(axis=2) > 100)[1]
        for side in (512, 1024)
    )
    assert 1.8 < (np.ptp(large) / np.ptp(small)) < 2.2


# --- which of the two leaves --------------------------------------------------------------------------------------


def test_a_picture_of_the_free_plan_is_marked_as_it_is_published(artist: User, picture: Artwork) -> None:
    assert picture.marked_key
    assert picture.marked_thumb_key
    master, marked = pixels(media.read(picture.key)), pixels(media.read(picture.marked_key))
    assert (master == master[0, 0]).all()  # the clean master is kept as it was made
    assert not (marked == master).all()
    assert addresses.file_key(picture) == picture.marked_key
    assert addresses.thumb_key(picture) == picture.marked_thumb_key


def test_the_marked_file_carries_the_recipe_and_the_marking_of_a_generated_picture(picture: Artwork) -> None:
    with Image.open(io.BytesIO(media.read(picture.marked_key))) as image:
        assert image.info["parameters"].startswith("a fox in the snow\nSteps: 20")
        assert "trainedAlgorithmicMedia" in image.info["XML:com.adobe.xmp"]
    with Image.open(io.BytesIO(media.read(picture.marked_thumb_key))) as thumb:
        assert b"trainedAlgorithmicMedia" in thumb.info["xmp"]


def test_a_larger_plan_shows_everything_clean_at_once_and_a_smaller_one_marks_it_again(
    artist: User, picture: Artwork
) -> None:
    for plan, key in (("starter", "key"), ("free", "marked_key"), ("pro", "key")):
        choose(artist, plan)
        assert addresses.file_key(again(picture)) == getattr(picture, key)


def test_what_was_made_under_a_larger_plan_is_marked_when_it_is_first_shown_under_a_smaller(
    artist: User, tmp_path: Path
) -> None:
    choose(artist, "pro")
    picture = make_artwork(tmp_path, artist, width=SIDE, height=SIDE)
    assert (picture.marked_key, picture.marked_thumb_key) == ("", "")
    choose(artist, "free")
    assert addresses.file_key(again(picture)).endswith("-marked.png")
    assert again(picture).marked_key
    assert addresses.thumb_key(again(picture)).endswith("-marked.webp")


def test_at_home_nothing_is_marked(db: None, tmp_path: Path) -> None:
    picture = make_artwork(tmp_path)
    assert picture.marked_key == ""
    assert addresses.file_key(picture) == picture.key


def test_a_film_is_never_marked_as_no_plan_that_marks_makes_films(artist: User, tmp_path: Path) -> None:
    film = make_film(tmp_path, artist)
    assert (addresses.file_key(film), addresses.thumb_key(film)) == (film.key, film.thumb_key)


def test_a_lost_file_is_told_as_missing_and_never_replaced_by_the_clean_one(artist: User, tmp_path: Path) -> None:
    choose(artist, "pro")
    picture = make_artwork(tmp_path, artist)
    choose(artist, "free")
    media.delete(picture.key)
    assert addresses.file_key(again(picture)) == ""
    answer = api_of(artist).get(f"/api/v1/artworks/{picture.public_id}/file")
    assert answer.status_code == 404


def test_what_a_picture_is_made_from_is_the_clean_master(artist: User, picture: Artwork) -> None:
    source = sources.find(artist, str(picture.public_id))
    assert source is not None
    assert source.key == picture.key  # what the worker gets
    assert picture.marked_key in source.url  # what the page shows


def test_the_marked_files_go_when_the_picture_does(artist: User, picture: Artwork) -> None:
    actions.delete_artwork(artwork=picture)
    assert picture.deleted_at is not None
    actions.purge(now=picture.deleted_at + 2 * actions.KEPT_AFTER_DELETION)
    assert not any(media.exists(key) for key in picture.keys)


def test_a_wall_costs_no_more_queries_for_many_marked_pictures(artist: User, tmp_path: Path) -> None:
    browser = browser_of(artist)

    def queries() -> int:
        make_artwork(tmp_path, artist)
        browser.get("/gallery/")
        with CaptureQueriesContext(connection) as seen:
            browser.get("/gallery/")
        return len(seen)

    assert queries() == queries() == queries()


# --- every way out ------------------------------------------------------------------------------------------------


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def api_of(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {create_token(user=user, name='tests')[1]}"})


def crawl(user: User, begin: list[str]) -> tuple[set[str], set[str]]:
    """Every page that can be reached by links, and every address of a file that stands on any of them."""
    browser, api = browser_of(user), api_of(user)
    waiting, seen, files = list(begin), set[str](), set[str]()
    while waiting and len(seen) < 400:
        path = waiting.pop()
        answer = (api if path.startswith("/api/") else browser).get(path, follow=True)
        seen.add(path)
        assert answer.status_code < 500, path
        if not answer.get("Content-Type", "").startswith(("text/html", "application/json")):
            continue
        text = html.unescape(answer.content.decode())
        files |= set(re.findall(r"/media/[^\s\"'?]+", text))
        links = re.findall(r'(?:href|hx-get|data-url)="(/[^"#]*)', text)
        for link in links:
            at = urlsplit(link).path
            plain = not at.startswith(("/media/", "/static/", "/accounts/logout", "/admin/"))
            if plain and link not in seen and link not in waiting:
                waiting.append(link)
    return seen, files


def test_no_page_and_no_answer_hands_out_a_clean_file_to_an_owner_on_free(artist: User, tmp_path: Path) -> None:
    ledger.grant(user=artist, amount=50, source_ref="gift", say="A gift")
    style = make_style(artist, works=2)
    adapter = make_version(style)
    first = make_artwork(tmp_path, artist, style=style, adapter=adapter, width=SIDE, height=SIDE)
    make_artwork(tmp_path, artist, parent=first)
    asked = create_request(
        owner=artist,
        tool="text_to_image",
        data={"prompt": "a fox", "count": 2, "styles": [{"id": str(style.public_id)}]},
    )
    for output in asked.outputs.all():
        finish(output, tmp_path)
    varied = create_request(
        owner=artist, tool="image_to_image", data={"prompt": "a wolf", "count": 1, "source": str(first.public_id)}
    )
    finish(varied.outputs.get(), tmp_path)
    api = ["artworks", "generations", "styles", "me", f"artworks/{first.public_id}", f"generations/{varied.public_id}"]
    pages, files = crawl(artist, ["/", "/studio/", "/gallery/", "/create/", *(f"/api/v1/{one}" for one in api)])
    made = Artwork.objects.all()
    clean = {key for one in made for key in (one.key, one.thumb_key)}
    marked = {key for one in made for key in (one.marked_key, one.marked_thumb_key)}
    told = {address.removeprefix("/media/") for address in files}
    assert len(pages) > 30
    assert len(made) == 5
    assert told & marked == marked
    assert told & clean == set()


def test_the_file_of_the_api_and_the_download_are_marked(artist: User, picture: Artwork) -> None:
    answer = api_of(artist).get(f"/api/v1/artworks/{picture.public_id}/file")
    content = b"".join(answer) if answer.streaming else answer.content
    assert content == media.read(picture.marked_key)
    assert api_of(artist).get(f"/api/v1/artworks/{picture.public_id}").json()["marked"] is True
    page = browser_of(artist).get(f"/gallery/{picture.public_id}/").content.decode()
    assert "It carries the small mark of your plan, Free." in page
    assert "?offer=plan_starter_month" in page
    choose(artist, "starter")
    page = browser_of(artist).get(f"/gallery/{picture.public_id}/").content.decode()
    assert "small mark" not in page
    assert f"/media/{picture.key}" in page


def test_the_archive_of_an_account_holds_what_its_plan_hands_out(
    artist: User, picture: Artwork, tmp_path: Path
) -> None:
    def exported() -> bytes:
        archive = Archive(tmp_path / "export.zip")
        own_data.write(artist, archive)
        archive.close({})
        with zipfile.ZipFile(tmp_path / "export.zip") as packed:
            return packed.read(next(name for name in packed.namelist() if name.endswith(".png")))

    assert exported() == media.read(picture.marked_key)
    choose(artist, "starter")
    assert exported() == media.read(picture.key)


def test_only_the_one_door_signs_addresses_of_artworks() -> None:
    root = Path(__file__).resolve().parents[2]
    inside = {"gallery/addresses.py", "gallery/marks.py", "gallery/models.py", "gallery/admin.py"}  # staff see all
    signs = re.compile(r"(signed_url|media\.answer)\([^)]*\b(artwork|shown|picture|film)\.(key|thumb_key|marked_key)")
    rooms = ("accounts", "billing", "gallery", "generation", "training", "styles", "config")
    files = [path for room in rooms for path in (root / room).rglob("*.py")]
    guilty = [str(path.relative_to(root)) for path in files if signs.search(path.read_text())]
    assert set(guilty) - inside == set()
