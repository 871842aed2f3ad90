"""The pages of the tools that start from a picture, and the same through the public API."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from accounts.tokens import create_token
from billing.plans import PRICES
from gallery.actions import delete_artwork
from gallery.models import Artwork
from gallery.onward import steps
from generation import tools
from generation.fragments import head
from generation.job import kind_of
from generation.models import Output, Request
from generation.recipes import recipe_of_output
from gpu import lifecycle
from gpu.fragments import job_list
from gpu.models import Job
from tests.builders import make_style, make_version
from tests.generation.making import claimed, finish, make_artist
from tests.generation.test_api import Api
from tests.generation.test_pages import HTMX, browser_of
from tests.generation.test_tools import make, mask_of, picture, png, uri

pytestmark = pytest.mark.django_db

STARTING = ("image_to_image", "inpaint", "outpaint", "upscale")


@pytest.fixture
def artist() -> User:
    return make_artist()


@pytest.fixture
def source(artist: User, tmp_path: Path) -> Artwork:
    return picture(artist, tmp_path, prompt="a hare", negative_prompt="fog", steps=9)


def page_of(tool: str, **query: Any) -> str:
    from generation.addresses import address

    return address(tool, **{name: str(value) for name, value in query.items()})


# --- pages ---


@pytest.mark.parametrize("tool", STARTING)
def test_without_a_picture_one_is_chosen_first(artist: User, source: Artwork, tool: str) -> None:
    html = browser_of(artist).get(page_of(tool)).content.decode()
    assert page_of(tool, source=source.public_id) in html
    assert 'type="file"' in html
    assert 'id="dock"' not in html


@pytest.mark.parametrize("tool", STARTING)
def test_a_tools_page_has_the_picture_and_its_recipe_in_the_form(artist: User, source: Artwork, tool: str) -> None:
    html = browser_of(artist).get(page_of(tool, source=source.public_id)).content.decode()
    assert f'name="source" value="{source.public_id}"' in html
    assert "a hare</textarea>" in html
    assert "fog</textarea>" in html
    assert 'name="steps" min="1" max="50" step="1" value="9"' in html
    assert f'value="{source.seed}"' not in html
    for other in tools.offered():
        if other.needs_source:
            assert page_of(other.name, source=source.public_id) in html


def test_the_pictures_page_leads_to_every_tool(source: Artwork) -> None:
    urls = [step.url for step in steps(source)]
    assert {page_of(tool, source=source.public_id) for tool in STARTING} <= set(urls)


def test_the_pictures_page_says_the_price_of_one_as_the_price_list_does(artist: User, source: Artwork) -> None:
    prices = {str(step.title): step.price for step in steps(source)}
    assert {prices[title] for title in ("Variations", "Change a part", "Extend")} == {PRICES["picture"]}
    html = browser_of(artist).get(f"/gallery/{source.public_id}/").content.decode()
    assert "Credits for each picture or film." in html
    assert "1 credit each" in html


def test_a_recipe_is_used_on_the_page_of_the_tool_that_made_the_picture(
    artist: User, source: Artwork, tmp_path: Path
) -> None:
    request = make(artist, "inpaint", prompt="a scarf", source=str(source.public_id), mask=uri(mask_of()), seed=77)
    scarf = finish(request.outputs.get(), tmp_path).artwork
    assert scarf
    ways = {str(step.title): step for step in steps(scarf)}
    assert ways["Use the recipe"].url == f"/create/inpaint/?from={scarf.public_id}"
    assert (ways["Use the recipe"].price, ways["Other seeds"].price) == (1, 1)
    same = browser_of(artist).get(ways["Use the recipe"].url).content.decode()
    other = browser_of(artist).get(ways["Other seeds"].url).content.decode()
    for html in (same, other):
        assert "a scarf</textarea>" in html
        assert f'name="source" value="{source.public_id}"' in html
        assert 'data-mask-before="data:image/png' in html
    assert 'value="77"' in same
    assert 'value="77"' not in other
    assert 'name="count" value="1" checked' in same
    assert 'name="count" value="4" checked' in other


def test_a_recipe_whose_source_is_gone_is_not_offered(artist: User, source: Artwork, tmp_path: Path) -> None:
    made = finish(make(artist, "image_to_image", source=str(source.public_id)).outputs.get(), tmp_path).artwork
    assert made
    delete_artwork(artwork=source)
    assert not {"Use the recipe", "Other seeds"} & {str(step.title) for step in steps(made)}


def test_another_tools_page_takes_no_recipe_from_a_picture(artist: User, source: Artwork) -> None:
    html = browser_of(artist).get(f"/create/image_to_image/?from={source.public_id}").content.decode()
    assert 'id="dock"' not in html  # a picture is chosen first


def test_a_batch_says_no_style_only_where_there_could_be_one(artist: User, source: Artwork) -> None:
    begun = {"source": str(source.public_id)}
    plain = make(artist, "upscale", **begun, options={"strength": 0})
    drawn = make(artist, "upscale", **begun, options={"strength": 0.3})
    assert ["no style" in head(request) for request in (plain, drawn)] == [False, True]


def test_what_is_only_enlarged_has_no_steps_in_its_recipe(artist: User, source: Artwork) -> None:
    begun = {"source": str(source.public_id)}
    plain, drawn = (make(artist, "upscale", **begun, options={"strength": value}) for value in (0, 0.3))
    said = [recipe_of_output(request.outputs.get(), seconds=1.0, paid=1) for request in (plain, drawn)]
    assert ["steps" in recipe for recipe in said] == [False, True]
    assert [bool(recipe["model"]) for recipe in said] == [False, True]


def test_the_line_is_shown_in_its_order_and_names_the_tool(artist: User, source: Artwork) -> None:
    film = make(artist, "camera_move", source=str(source.public_id)).outputs.get()
    claimed(film)
    later = make(artist, "text_to_image", prompt="a hare").outputs.get()
    Job.objects.filter(pk=later.job_id).update(tier=F("tier") + 1)
    scarf = make(artist, "inpaint", source=str(source.public_id), mask=uri(mask_of()), prompt="a scarf").outputs.get()
    html = str(job_list(artist))
    assert "Camera move: a hare" in html
    assert "Change a part: a scarf" in html
    shown = re.findall(r'id="job-([0-9a-f-]{36})"', html)
    assert shown == [str(one.job.public_id) for one in (film, scarf, later)]


def test_the_dock_says_no_style_only_where_there_could_be_one(artist: User, source: Artwork) -> None:
    browser = browser_of(artist)
    for tool, words in (("camera_move", ""), ("image_to_image", "no style")):
        html = browser.get(page_of(tool, source=source.public_id)).content.decode()
        assert f'data-say-no-style="{words}"' in html


def test_what_is_not_ones_own_or_was_deleted_is_not_there(artist: User, source: Artwork) -> None:
    other = browser_of(make_artist())
    assert other.get(page_of("inpaint", source=source.public_id)).status_code == 404
    assert other.get(page_of("inpaint", source="nonsense")).status_code == 404
    assert other.get("/create/teleport/").status_code == 404
    delete_artwork(artwork=source)
    assert browser_of(artist).get(page_of("inpaint", source=source.public_id)).status_code == 404


def test_asking_with_a_mask_in_a_form(artist: User, source: Artwork) -> None:
    browser = browser_of(artist)
    form = {"prompt": "a scarf", "count": "2", "source": str(source.public_id), "option_feather": "3"}
    refused = browser.post(page_of("inpaint"), form, headers=HTMX)
    assert refused.status_code == 422
    assert "Paint over" in refused.content.decode()
    answer = browser.post(page_of("inpaint"), {**form, "mask": SimpleUploadedFile("mask.png", mask_of())}, headers=HTMX)
    assert answer.status_code == 200
    html = answer.content.decode()
    assert html.count("image-tile forming") == 2
    assert "from “a hare”" in html
    request = Request.objects.get(tool="inpaint")
    assert request.params["options"] == {"strength": 1.0, "feather": 3}


def test_without_script_a_refusal_keeps_what_was_typed(artist: User, source: Artwork) -> None:
    form = {"prompt": "a long road", "source": str(source.public_id), "option_left": "7"}
    answer = browser_of(artist).post(page_of("outpaint"), form)
    assert answer.status_code == 422
    html = answer.content.decode()
    assert "a long road</textarea>" in html
    assert 'name="option_left" min="0" max="256" step="8" value="7"' in html
    assert "multiple of 32" in html


def test_a_file_is_taken_in_and_worked_on(artist: User) -> None:
    browser = browser_of(artist)
    answer = browser.post("/create/outpaint/upload/", {"file": SimpleUploadedFile("a.png", png((200, 100)))})
    assert answer.status_code == 302
    html = browser.get(answer["Location"]).content.decode()
    assert "Your upload" in html
    assert 'data-picture-width="160"' in html
    assert browser_of(make_artist()).get(answer["Location"]).status_code == 404


def test_a_file_that_is_no_picture_is_refused_beside_the_field(artist: User) -> None:
    browser = browser_of(artist)
    answer = browser.post("/create/inpaint/upload/", {"file": SimpleUploadedFile("a.png", b"<html>")})
    assert answer.status_code == 422
    assert "web page" in answer.content.decode()
    assert "Choose a picture first" in browser.post("/create/inpaint/upload/").content.decode()


def test_a_request_fills_its_tools_form_again_mask_included(artist: User, source: Artwork, tmp_path: Path) -> None:
    request = make(artist, "inpaint", source=str(source.public_id), mask=uri(mask_of()), options={"feather": 5})
    finish(request.outputs.get(), tmp_path)
    browser = browser_of(artist)
    wall = browser.get("/create/").content.decode()
    assert page_of("inpaint", reuse=request.public_id) in wall
    html = browser.get(page_of("inpaint", reuse=request.public_id)).content.decode()
    assert 'data-mask-before="data:image/png;base64,' in html
    assert 'name="option_feather" min="0" max="64" step="1" value="5"' in html
    again = browser.post(reverse("generation:again", args=[request.public_id]), headers=HTMX)
    assert again.status_code == 200
    assert Request.objects.filter(tool="inpaint").count() == 2


def test_a_tools_wall_shows_what_was_made_with_it(artist: User, source: Artwork) -> None:
    request = make(artist, "upscale", source=str(source.public_id))
    browser = browser_of(artist)

    def hangs(address: str) -> bool:
        return f'<article class="batch" id="batch-{request.public_id}"' in browser.get(address).content.decode()

    assert hangs(page_of("upscale", source=source.public_id))
    assert not hangs(page_of("inpaint", source=source.public_id))
    assert hangs("/create/")


def test_what_the_engine_changed_is_told_with_the_batch(artist: User) -> None:
    request = make(artist, "text_to_image", count=2)
    for output in request.outputs.all():
        Job.objects.filter(pk=output.job_id).update(notices=[{"code": "smaller", "say": "It was drawn in tiles."}])
    html = browser_of(artist).get("/create/").content.decode()
    assert html.count("It was drawn in tiles.") == 1


def test_the_fast_tier_hides_nothing_from_a_base_that_has_it(artist: User, settings: Any) -> None:
    browser = browser_of(artist)
    starter = browser.get("/create/").content.decode()
    assert 'name="tier" value="draft"' in starter
    assert 'name="tier" value="fast"' not in starter
    settings.BASE_MODEL = "sdxl"
    assert 'name="tier" value="fast"' in browser.get("/create/").content.decode()


def test_asking_for_eight_takes_hardly_more_queries_than_for_one(artist: User) -> None:
    style = make_style(artist)
    make_version(style)
    browser = browser_of(artist)
    browser.get("/create/")  # the first answer of a session also notes the session
    form = {"prompt": "a fox", "style": str(style.public_id), "weight": "1", "version": ""}

    def queries(count: int) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert browser.post("/create/", {**form, "count": str(count)}, headers=HTMX).status_code == 200
        return len(seen)

    one, eight = queries(1), queries(8)
    assert eight - one <= 3
    assert eight <= 40


def test_a_wall_of_many_pictures_takes_no_more_queries_than_one_of_few(artist: User, tmp_path: Path) -> None:
    style = make_style(artist)
    make_version(style)
    browser, mix = browser_of(artist), [{"id": str(style.public_id)}]
    browser.get("/create/")  # the first answer of a session also notes the session

    def queries() -> int:
        request = make(artist, "text_to_image", count=2, styles=mix)
        for output in request.outputs.all():
            finish(output, tmp_path)
        with CaptureQueriesContext(connection) as seen:
            assert browser.get("/create/").status_code == 200
        return len(seen)

    assert queries() == queries() == queries()


def test_a_fast_recipe_does_not_bring_its_few_steps_into_another_pace(artist: User, settings: Any) -> None:
    settings.BASE_MODEL = "sdxl"
    request = make(artist, "text_to_image", tier="fast")
    html = browser_of(artist).get(page_of("text_to_image", reuse=request.public_id)).content.decode()
    assert 'name="tier" value="fast" checked' in html
    assert 'name="steps" min="1" max="50" step="1" value="30"' in html


# --- the API ---


def test_the_api_makes_a_line_of_descent(artist: User, source: Artwork, tmp_path: Path) -> None:
    api = Api(artist)
    body = {"tool": "inpaint", "prompt": "a scarf", "source": str(source.public_id), "mask": uri(mask_of())}
    made = api.call("POST", "/generate", {**body, "options": {"feather": 2}})
    assert made.status_code == 202
    said = made.json()
    assert (said["source"]["kind"], said["source"]["id"], said["has_mask"]) == ("artwork", str(source.public_id), True)
    assert said["options"] == {"strength": 1.0, "feather": 2}
    assert (said["tier"], said["width"]) == ("fine", 128)
    finish(Output.objects.get(request__public_id=said["id"]), tmp_path)
    child = api.call("GET", f"/generations/{said['id']}").json()["artworks"][0]["id"]
    assert Artwork.objects.get(public_id=child).parent == source
    again = api.call("POST", "/generate", {**body, "source": said["id"], "mask": said["id"]})
    assert again.json()["source"]["id"] == str(source.public_id)
    delete_artwork(artwork=source)
    gone = api.call("GET", f"/generations/{said['id']}").json()["source"]
    assert gone == {"kind": "artwork", "id": None, "file_url": None}


def test_a_picture_is_uploaded_and_used_as_source_and_mask(artist: User) -> None:
    token = create_token(user=artist, name="tests")[1]
    client = Client(headers={"Authorization": f"Bearer {token}"})

    def upload(content: bytes) -> Any:
        return client.post("/api/v1/generate/upload", {"file": SimpleUploadedFile("a.png", content)})

    one, mask = upload(png()), upload(mask_of())
    assert (one.status_code, one.json()["width"]) == (201, 128)
    body = {"tool": "inpaint", "prompt": "x", "source": one.json()["id"], "mask": mask.json()["id"]}
    made = Api(artist).call("POST", "/generate", body)
    assert made.status_code == 202
    assert made.json()["source"]["kind"] == "upload"
    assert made.json()["source"]["id"] == one.json()["id"]
    assert upload(b"nothing").status_code == 422
    other = Api(make_artist()).call("POST", "/generate", body)
    assert "source" in other.json()["errors"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "source"),
        ({"source": str(uuid.uuid4())}, "source"),
        ({"source": "data:image/png;base64,!!!"}, "source"),
        ({"source": "OWN"}, "mask"),
        ({"source": "OWN", "mask": "data:image/png;base64,AAAA"}, "mask"),
        ({"source": "OWN", "mask": "MASK", "options": {"feather": -1}}, "feather"),
        ({"source": "OWN", "mask": "MASK", "options": {"strength": 2}}, "strength"),
        ({"source": "OWN", "mask": "MASK", "tier": "hasty"}, "tier"),
        ({"source": "OWN", "mask": "MASK", "prompt": ""}, "prompt"),
        ({"source": "OWN", "mask": "MASK", "tool": "teleport"}, "tool"),
    ],
)
def test_the_api_names_the_field_at_fault(artist: User, source: Artwork, body: dict[str, Any], field: str) -> None:
    known = {"OWN": str(source.public_id), "MASK": uri(mask_of())}
    sent = {name: known.get(value, value) if isinstance(value, str) else value for name, value in body.items()}
    answer = Api(artist).call("POST", "/generate", {"tool": "inpaint", "prompt": "x", **sent})
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


def test_more_than_a_body_may_hold_gets_a_sentence(artist: User) -> None:
    body = {"tool": "image_to_image", "prompt": "x", "source": "data:image/png;base64," + "A" * 3_000_000}
    answer = Api(artist).call("POST", "/generate", body)
    assert answer.status_code in (400, 413)
    assert answer.json()["detail"]


def test_damaged_weights_are_fetched_anew_by_the_next_try(artist: User, tmp_path: Path) -> None:
    style = make_style(artist)
    make_version(style)
    request = make(artist, "text_to_image", styles=[{"id": str(style.public_id)}])
    job = claimed(request.outputs.get())
    file = Path(kind_of("text_to_image").build_spec(job, tmp_path).styles[0].path)  # type: ignore[union-attr]
    assert file.exists()
    lifecycle.fail(job_id=job.public_id, fence=job.fence, code="bad_weights", say="This style's file is damaged.")
    assert not file.exists()
