import datetime
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from styles.models import Style
from tests.builders import make_style, make_user, slow_down
from tests.styles.pictures import jpeg, upload

pytestmark = pytest.mark.django_db
HTMX = {"hx-request": "true"}


@pytest.fixture
def artist():
    return make_user()


@pytest.fixture
def browser(artist):
    client = Client(raise_request_exception=False)
    client.force_login(artist)
    return client


def address(name, style, *more):
    return reverse(f"styles:{name}", args=[style.public_id, *more])


def test_the_list_shows_every_style_with_its_cover(browser, artist):
    make_style(artist, works=5, name="Hedgerow")
    make_style(name="Not mine")
    html = browser.get("/styles/").content.decode()
    assert "Hedgerow" in html
    assert "Not mine" not in html
    assert html.count('<img src="/media/') == 4


def test_an_empty_list_says_what_to_do(browser):
    html = browser.get("/styles/").content.decode()
    assert "No style yet" in html
    assert reverse("styles:sample") in html


def test_fifty_styles_need_no_more_queries_than_two(browser, artist, django_assert_max_num_queries):
    for number in range(2):
        make_style(artist, works=1, name=str(number))
    browser.get("/styles/")
    with CaptureQueriesContext(connection) as few:
        browser.get("/styles/")
    for number in range(6):
        make_style(artist, works=2, name=str(number))
    with django_assert_max_num_queries(len(few)):
        browser.get("/styles/")


def test_forty_works_need_no_more_queries_than_twenty(browser, artist, django_assert_max_num_queries):
    twenty, forty = make_style(artist, works=20), make_style(artist, works=40)
    browser.get(address("detail", twenty))
    with CaptureQueriesContext(connection) as few:
        browser.get(address("detail", twenty))
    with django_assert_max_num_queries(len(few)):
        browser.get(address("detail", forty))


def test_without_a_script_a_new_style_is_made_with_its_files_and_a_verdict_each(browser, artist):
    files = [upload(jpeg(1), "fox.jpg"), upload(b"<svg></svg>", "logo.svg")]
    answer = browser.post("/styles/new/", {"name": "Hedgerow", "files": files})
    style = Style.objects.owned_by(artist).get()
    assert answer.url == address("detail", style)
    html = browser.get(answer.url).content.decode()
    assert "1 work was added." in html
    assert "logo.svg: This is a drawing made of shapes" in html
    assert style.references.count() == 1
    assert "1 work was added." not in browser.get(answer.url).content.decode()


def test_with_a_script_a_new_style_says_where_its_files_go(browser, artist):
    answer = browser.post("/styles/new/", {"name": "Hedgerow"}, headers={"accept": "application/json"})
    style = Style.objects.owned_by(artist).get()
    assert answer.json()["next_url"] == address("detail", style)
    frame = browser.post(answer.json()["upload_url"], {"files": upload(jpeg(1), "fox.jpg")}, headers=HTMX)
    assert frame.content.decode().count("<li") == 1
    assert 'id="frame-1"' in frame.content.decode()


def test_a_new_style_without_a_name_keeps_the_form(browser, artist):
    plain = browser.post("/styles/new/", {"name": " "})
    assert plain.status_code == 422
    assert "Give the style a name." in plain.content.decode()
    scripted = browser.post("/styles/new/", {"name": " "}, headers={"accept": "application/json"})
    assert (scripted.status_code, scripted.json()) == (422, {"detail": "Give the style a name."})
    assert not Style.objects.owned_by(artist).exists()


@pytest.mark.parametrize(("kind", "most"), [("art", 40), ("person", 20), ("character", 20)])
def test_a_kind_asks_for_its_own_number_of_works(browser, kind, most):
    html = browser.get(f"/styles/new/?kind={kind}").content.decode()
    assert f'data-limit="{most}"' in html


def test_the_page_has_forty_numbered_frames(browser, artist):
    style = make_style(artist, works=3)
    html = browser.get(address("detail", style)).content.decode()
    assert re.findall(r'id="frame-(\d+)"', html) == [str(number) for number in range(1, 41)]
    assert html.count('class="frame blank"') == 17
    assert html.count('class="frame spare"') == 20
    assert "17 more works are needed." in html


def test_one_file_from_the_dropzone_is_answered_with_its_frame_and_the_report(browser, artist):
    style = make_style(artist)
    html = browser.post(
        address("add_works", style), {"files": upload(jpeg(1), "fox.jpg")}, headers=HTMX
    ).content.decode()
    assert html.strip().startswith('<li class="frame" id="frame-1"')
    assert 'id="report" hx-swap-oob="true"' in html
    assert 'id="works-tally" hx-swap-oob="true"' in html
    refused = browser.post(address("add_works", style), {"files": upload(b"", "<b>.png")}, headers=HTMX)
    assert refused.status_code == 200
    assert "frame refused" in refused.content.decode()
    assert "&lt;b&gt;.png: The file is empty." in refused.content.decode()


def test_a_dropzone_that_is_too_fast_hears_a_plain_sentence(browser, artist, monkeypatch):
    slow_down(monkeypatch, upload=0)
    style = make_style(artist)
    answer = browser.post(address("add_works", style), {"files": upload(jpeg(1))}, headers=HTMX)
    assert answer.status_code == 429
    assert answer["Content-Type"].startswith("text/plain")
    assert "takes 0 files a minute" in answer.content.decode()


def test_an_upload_without_files_gets_a_sentence(browser, artist):
    answer = browser.post(address("add_works", make_style(artist)))
    assert answer.status_code == 422
    assert "Choose one or more pictures first." in answer.content.decode()


def test_a_caption_is_edited_beside_the_sheet_or_on_its_own_page(browser, artist):
    style = make_style(artist, works=2)
    first, second = style.references.all()
    there = address("work", style, first.public_id)
    assert "<html" in browser.get(there).content.decode()
    drawer = browser.get(there, headers=HTMX).content.decode()
    assert drawer.strip().startswith("<dialog")
    saved = browser.post(there, {"caption": "a <b>fox</b>"}, headers=HTMX).content.decode()
    assert "a &lt;b&gt;fox&lt;/b&gt;" in saved
    assert "<dialog" not in saved
    onward = browser.post(there, {"caption": "a fox", "next": "yes"}, headers=HTMX).content.decode()
    assert "Number 2" in onward
    assert browser.post(there, {"caption": "a fox", "next": "yes"}).url == address("work", style, second.public_id)
    assert browser.post(there, {"caption": "a hare"}).url == address("detail", style)
    first.refresh_from_db()
    assert (first.caption, first.caption_source) == ("a hare", "person")


def test_a_caption_that_is_too_long_is_told_and_changes_nothing(browser, artist):
    style = make_style(artist, works=1)
    there = address("work", style, style.references.get().public_id)
    answer = browser.post(there, {"caption": "x" * 301}, headers=HTMX)
    assert answer.status_code == 422
    assert "300 are the most" in answer["HX-Trigger"]
    assert style.references.get().caption == "subject number 1"


def test_a_work_is_removed_and_brought_back(browser, artist):
    style = make_style(artist, works=2)
    work = style.references.get(position=1)
    answer = browser.post(address("remove_work", style, work.public_id), headers=HTMX)
    assert 'class="frame blank" id="frame-1"' in answer.content.decode()
    undo = address("restore_work", style, work.public_id)
    assert undo in answer["HX-Trigger"]
    assert 'class="frame" id="frame-1"' in browser.post(undo, headers=HTMX).content.decode()
    assert browser.post(address("remove_work", style, work.public_id)).url == address("detail", style)


def test_a_style_is_renamed_deleted_and_brought_back(browser, artist):
    style = make_style(artist)
    browser.post(address("change", style), {"name": "Meadow", "description": "Summer"})
    style.refresh_from_db()
    assert (style.name, style.description) == ("Meadow", "Summer")
    gone = browser.post(address("delete", style), follow=True).content.decode()
    assert "Meadow is deleted." in gone
    assert address("restore", style) in gone
    assert browser.get(address("detail", style)).status_code == 404
    back = browser.post(address("restore", style), follow=True)
    assert "Meadow is back." in back.content.decode()


def test_the_way_to_training_opens_with_the_declaration(browser, artist):
    style = make_style(artist, works=20, declared=False)
    before = browser.get(address("detail", style)).content.decode()
    assert "Say whose works these are" in before
    assert reverse("training:run", args=[style.public_id]) + '">' in before  # the tab
    assert "Train this style" not in before
    after = browser.post(address("declare", style), {"declaration": "made"}, headers=HTMX).content.decode()
    assert "Train this style" in after
    assert browser.post(address("declare", style), {}).status_code == 422


def test_a_persons_consent_is_recorded_and_taken_back(browser, artist):
    style = make_style(artist, works=10, kind="person")
    form = {
        "subject_name": "Ada",
        "expires_on": str(timezone.now().date() + datetime.timedelta(days=30)),
        "is_adult": "yes",
        "agreed": "yes",
    }
    assert browser.post(address("consent", style), form | {"expires_on": "soon"}).status_code == 422
    assert browser.post(address("consent", style), form | {"is_adult": ""}).status_code == 422
    given = browser.post(address("consent", style), form, headers=HTMX).content.decode()
    assert "Ada agreed." in given
    assert "Train this style" in given
    taken = browser.post(address("revoke_consent", style), headers=HTMX).content.decode()
    assert "Train this style" not in taken


def test_the_sample_says_whose_pictures_they_are(browser):
    html = browser.post("/styles/sample/", follow=True).content.decode()
    assert "OpenMoji" in html
    assert "CC BY-SA 4.0" in html
    assert "Train this style" in html


def test_a_filter_shows_only_what_needs_a_look(browser, artist):
    style = make_style(artist, works=3)
    style.references.filter(position=2).update(caption="")
    html = browser.get(address("detail", style) + "?show=uncaptioned").content.decode()
    assert re.findall(r'id="frame-(\d+)"', html) == ["2"]


ROUTES = [
    ("get", "detail"),
    ("post", "change"),
    ("post", "delete"),
    ("post", "restore"),
    ("post", "declare"),
    ("post", "consent"),
    ("post", "revoke_consent"),
    ("post", "add_works"),
    ("get", "work"),
    ("post", "work"),
    ("post", "remove_work"),
    ("post", "restore_work"),
]


@pytest.mark.parametrize(("method", "name"), ROUTES)
def test_an_outsider_finds_nothing(browser, artist, method, name):
    style = make_style(works=1)
    more = [style.references.get().public_id] if "work" in name and name != "add_works" else []
    assert getattr(browser, method)(address(name, style, *more)).status_code == 404
    own = make_style(artist)
    if more:
        assert getattr(browser, method)(address(name, own, *more)).status_code == 404
    stranger = getattr(Client(), method)(address(name, style, *more))
    assert stranger.status_code == 302
    assert "/accounts/login/" in stranger.url
