"""The gallery's pages: the wall, its filters and its pages, one picture large, deleting and undoing."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from gallery.models import Artwork
from gallery.views import PAGE
from tests.builders import make_style, make_user
from tests.gallery.hanging import make_artwork

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def hung(html: str) -> list[str]:
    """The pictures in the order in which they hang."""
    return re.findall(r'<figure class="image-tile" id="artwork-([0-9a-f-]{36})"', html)


def test_an_empty_gallery_says_what_to_do_next() -> None:
    html = browser_of(make_user()).get("/gallery/").content.decode()
    assert "Your pictures will hang here." in html
    assert reverse("generation:create") in html


def test_the_wall_is_paged_and_the_second_page_comes_alone_to_the_script(tmp_path: Path) -> None:
    owner = make_user()
    made = [str(make_artwork(tmp_path, owner).public_id) for _ in range(PAGE + 2)][::-1]
    browser = browser_of(owner)
    first = browser.get("/gallery/").content.decode()
    assert hung(first) == made[:PAGE]
    older = re.search(r'<a href="([^"]+)" rel="next"', first)
    assert older
    plain = browser.get(older[1]).content.decode()
    assert hung(plain) == made[PAGE:]
    assert "<html" in plain
    part = browser.get(older[1], headers=HTMX).content.decode()
    assert hung(part) == made[PAGE:]
    assert "<html" not in part
    assert 'rel="next"' not in part


def test_pictures_hang_under_their_day(tmp_path: Path) -> None:
    owner = make_user()
    today, older = make_artwork(tmp_path, owner), make_artwork(tmp_path, owner)
    Artwork.objects.filter(pk=older.pk).update(created_at=timezone.now() - timedelta(days=1))
    html = browser_of(owner).get("/gallery/").content.decode()
    place = [
        html.index(mark) for mark in ("Today", f"artwork-{today.public_id}", "Yesterday", f"artwork-{older.public_id}")
    ]
    assert place == sorted(place)


def test_filters_answer_with_the_wall_and_its_count(tmp_path: Path) -> None:
    owner = make_user()
    style = make_style(owner)
    fox = make_artwork(tmp_path, owner, prompt="a red fox", style=style)
    make_artwork(tmp_path, owner, prompt="a grey hare")
    browser = browser_of(owner)
    for query in ("q=fox", f"style={style.public_id}"):
        part = browser.get(f"/gallery/?{query}", headers=HTMX).content.decode()
        assert hung(part) == [str(fox.public_id)]
        assert "1 picture found" in part
    nothing = browser.get("/gallery/?q=unicorn").content.decode()
    assert "No picture matches these filters." in nothing


def test_nonsense_in_the_address_is_no_error_of_ours(tmp_path: Path) -> None:
    browser = browser_of(make_artwork(tmp_path).owner)
    assert browser.get("/gallery/?style=nonsense&favourite=7").status_code == 200
    assert browser.get("/gallery/", {"q": "a\x00b"}).status_code == 422
    assert browser.get("/gallery/?before=nonsense").status_code == 422


def test_the_heart_is_turned_in_place(tmp_path: Path) -> None:
    artwork = make_artwork(tmp_path)
    browser, url = browser_of(artwork.owner), reverse("gallery:favourite", args=[artwork.public_id])
    assert 'aria-pressed="true"' in browser.post(url, headers=HTMX).content.decode()
    assert 'aria-pressed="false"' in browser.post(url, headers=HTMX).content.decode()
    assert browser.post(url).status_code == 302
    artwork.refresh_from_db()
    assert artwork.favourite


def test_a_picture_shows_its_recipe_and_its_neighbours(tmp_path: Path) -> None:
    owner = make_user()
    style = make_style(owner, name="Hedgerow")
    named = {"id": str(style.public_id), "name": "Hedgerow", "version": 2, "weight": 0.8, "sha256": "ab"}
    older, shown, newer = (
        make_artwork(tmp_path, owner, prompt=f"fox {n}", style=style, negative_prompt="fog", seed=77, styles=[named])
        for n in range(3)
    )
    html = browser_of(owner).get(reverse("gallery:artwork", args=[shown.public_id])).content.decode()
    for fact in ("fox 1", "Hedgerow v2, 0.80", "fog", "77", "96 × 128", "1 credit"):
        assert fact in html
    assert f'{newer.public_id}/" rel="prev"' in html
    assert f'{older.public_id}/" rel="next"' in html
    assert "fox-1-77.png" in html


def test_deleting_leads_back_to_the_wall_which_offers_to_undo_it_once(tmp_path: Path) -> None:
    artwork = make_artwork(tmp_path)
    browser = browser_of(artwork.owner)
    answer = browser.post(reverse("gallery:delete", args=[artwork.public_id]), follow=True)
    assert "1 picture was deleted." in answer.content.decode()
    assert "1 picture was deleted." not in browser.get("/gallery/").content.decode()
    assert browser.get(reverse("gallery:artwork", args=[artwork.public_id])).status_code == 404
    browser.post(reverse("gallery:restore"))
    assert hung(browser.get("/gallery/").content.decode()) == [str(artwork.public_id)]


def test_the_selection_is_deleted_and_brought_back(tmp_path: Path) -> None:
    owner = make_user()
    kept, *gone = (make_artwork(tmp_path, owner) for _ in range(3))
    theirs = make_artwork(tmp_path)
    browser = browser_of(owner)
    ids = [str(artwork.public_id) for artwork in [*gone, theirs]]
    answer = browser.post(reverse("gallery:selection"), {"do": "delete", "artwork": ids}, headers=HTMX)
    said = json.loads(answer["HX-Trigger"])
    assert said["toast"]["say"] == "2 pictures were deleted."
    assert said["gallery-changed"]
    assert Artwork.objects.owned_by(owner).get() == kept
    assert Artwork.objects.owned_by(theirs.owner).get() == theirs
    browser.post(said["toast"]["undo"], headers=HTMX)
    assert Artwork.objects.owned_by(owner).count() == 3


def test_the_selection_becomes_favourite(tmp_path: Path) -> None:
    owner = make_user()
    marked, plain = make_artwork(tmp_path, owner), make_artwork(tmp_path, owner)
    browser_of(owner).post(
        reverse("gallery:selection"), {"do": "favourite", "artwork": [str(marked.public_id), "nonsense"]}
    )
    assert list(Artwork.objects.filter(favourite=True)) == [marked]
    assert plain.favourite is False


def test_the_description_is_saved_and_a_bad_one_gets_a_sentence(tmp_path: Path) -> None:
    artwork = make_artwork(tmp_path)
    browser, url = browser_of(artwork.owner), reverse("gallery:describe", args=[artwork.public_id])
    browser.post(url, {"alt_text": "A fox asleep"})
    page = browser.get(reverse("gallery:artwork", args=[artwork.public_id])).content.decode()
    assert 'alt="A fox asleep"' in page
    bad = browser.post(url, {"alt_text": "x" * 501})
    assert bad.status_code == 422
    assert "500 are the most" in bad.content.decode()


def test_what_is_not_ones_own_is_not_there(tmp_path: Path) -> None:
    artwork = make_artwork(tmp_path)
    other = browser_of(make_user())
    detail = reverse("gallery:artwork", args=[artwork.public_id])
    assert other.get(detail).status_code == 404
    for name in ("favourite", "describe", "delete"):
        assert other.post(reverse(f"gallery:{name}", args=[artwork.public_id])).status_code == 404
    assert hung(other.get("/gallery/").content.decode()) == []
    assert Client().get(detail).status_code == 302


def test_a_prompt_cannot_speak_html(tmp_path: Path) -> None:
    artwork = make_artwork(tmp_path, prompt='"><script>alert(1)</script>')
    browser = browser_of(artwork.owner)
    for url in ("/gallery/", reverse("gallery:artwork", args=[artwork.public_id])):
        assert "<script>alert" not in browser.get(url).content.decode()


def test_the_wall_costs_as_many_queries_for_twenty_pictures_as_for_two(tmp_path: Path) -> None:
    owner = make_user()
    style = make_style(owner)
    browser = browser_of(owner)
    browser.get("/gallery/")  # the first answer of a session also notes the session

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            browser.get("/gallery/")
        return len(seen)

    for _ in range(2):
        make_artwork(tmp_path, owner, style=style)
    few = queries()
    for _ in range(18):
        make_artwork(tmp_path, owner, style=style)
    assert queries() == few
