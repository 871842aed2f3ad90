"""The create page: the dock, batches that form in place, and what is pushed to open tabs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from billing.ledger import account_of
from generation import fragments
from generation.job import kind_of
from generation.models import Output, Request
from generation.queries import output_of
from generation.views import PAGE
from gpu import lifecycle
from tests.builders import make_style, make_user, make_version
from tests.generation.making import ask, claimed, finish, make_artist

pytestmark = pytest.mark.django_db

TEXT_TO_IMAGE = kind_of("text_to_image")

HTMX = {"HX-Request": "true"}
FORM = {"prompt": "a fox in the snow", "format": "96x128", "count": "2", "steps": "20", "guidance": "4.0", "seed": ""}


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_without_a_style_the_base_alone_draws_and_the_page_invites_to_teach_it() -> None:
    html = browser_of(make_artist()).get("/create/").content.decode()
    assert "the base draws in its own hand" in html
    assert "SDXL is for work" in html
    assert "128 pixels a side" in html
    assert reverse("styles:new") in html
    assert "Your pictures form here." in html


def test_asking_answers_with_forming_pictures_of_the_right_shape() -> None:
    artist = make_artist()
    answer = browser_of(artist).post("/create/", FORM, headers=HTMX)
    html = answer.content.decode()
    request = Request.objects.get()
    assert answer.status_code == 200
    assert html.count("image-tile forming") == 2
    assert html.count('data-ratio="0.75"') == 2
    assert f'id="batch-{request.public_id}"' in html
    assert "<html" not in html
    assert (request.params["width"], request.params["height"]) == (96, 128)
    assert account_of(artist).held == 2


def test_without_script_asking_leads_to_the_page_that_shows_it() -> None:
    browser = browser_of(make_artist())
    answer = browser.post("/create/", FORM)
    assert answer.status_code == 302
    assert f"batch-{Request.objects.get().public_id}" in answer["Location"]
    assert "a fox in the snow" in browser.get("/create/").content.decode()


def test_a_refusal_is_told_beside_the_button_and_nothing_typed_is_lost() -> None:
    browser = browser_of(make_artist())
    bad = {**FORM, "steps": "99", "guidance": "much", "count": "x"}
    part = browser.post("/create/", bad, headers=HTMX)
    assert part.status_code == 422
    assert 'id="dock-error"' in part.content.decode()
    assert "whole number from 1 to 8" in part.content.decode()
    whole = browser.post("/create/", bad)
    assert whole.status_code == 422
    assert "a fox in the snow</textarea>" in whole.content.decode()


def test_out_of_credits_the_offer_is_one_click_away(settings: Any) -> None:
    settings.BILLING = True
    browser = browser_of(make_artist(credits=1))
    html = browser.post("/create/", FORM, headers=HTMX).content.decode()
    assert "costs 2 credits and you have 1" in html
    assert "/credits/pricing/" in html
    assert browser.post("/create/", FORM).status_code == 402


def test_the_balance_follows_what_was_asked_for(settings: Any) -> None:
    settings.BILLING = True
    browser = browser_of(make_artist(credits=10))
    assert 'id="dock-balance" data-available="10"' in browser.get("/create/").content.decode()
    html = browser.post("/create/", FORM, headers=HTMX).content.decode()
    assert 'id="dock-balance" hx-swap-oob="true" data-available="8"' in html
    assert re.search(r'id="balance" hx-swap-oob="true"[^>]*><strong>8</strong>', html)


def test_styles_are_mixed_by_their_rows() -> None:
    artist = make_artist()
    one, two = make_style(artist, name="One"), make_style(artist, name="Two")
    for style in (one, two):
        make_version(style)
    browser = browser_of(artist)
    row = browser.get(reverse("generation:style_row", args=[two.public_id])).content.decode()
    assert f'value="{two.public_id}"' in row
    rows = {"style": [one.public_id, two.public_id], "weight": ["0.8", "0.3"], "version": ["", "1"]}
    browser.post("/create/", {**FORM, **rows}, headers=HTMX)
    links = Request.objects.get().styles.all()
    assert [(link.style.name, link.weight) for link in links] == [("One", 0.8), ("Two", 0.3)]


def test_a_recipe_is_used_again_with_its_version_and_weights(tmp_path: Path) -> None:
    artist = make_artist()
    style = make_style(artist)
    make_version(style)
    request = ask(artist, seed=77, steps=9, styles=[{"id": style.public_id, "weight": 0.35}], negative_prompt="fog")
    make_version(style)  # another is active now
    artwork = finish(request.outputs.get(), tmp_path).artwork
    assert artwork
    browser = browser_of(artist)
    again = browser.get(f"/create/?reuse={request.public_id}").content.decode()
    same = browser.get(f"/create/?from={artwork.public_id}").content.decode()
    other = browser.get(f"/create/?from={artwork.public_id}&vary=1").content.decode()
    for html in (again, same, other):
        assert "a fox in the snow</textarea>" in html
        assert "fog</textarea>" in html
        assert 'name="version" value="1"' in html
        assert 'value="0.35"' in html
        assert 'name="steps" min="1" max="50" step="1" value="9"' in html
    assert 'value="77"' in same
    assert 'value="77"' not in again
    assert 'value="77"' not in other


def test_nonsense_in_the_address_opens_an_empty_form() -> None:
    browser = browser_of(make_artist())
    for query in ("reuse=nonsense", "from=nonsense", "style=nonsense", "style=&style="):
        assert browser.get(f"/create/?{query}").status_code == 200
    assert browser.get("/create/?before=nonsense").status_code == 422


def test_another_ones_recipe_does_not_fill_the_form() -> None:
    request = ask(prompt="a secret fox")
    html = browser_of(make_artist()).get(f"/create/?reuse={request.public_id}").content.decode()
    assert "secret" not in html


def test_earlier_batches_are_paged() -> None:
    artist = make_artist()
    made = [str(ask(artist, prompt=f"fox {n}").public_id) for n in range(PAGE + 1)][::-1]
    browser = browser_of(artist)

    def batches(html: str) -> list[str]:
        return re.findall(r'<article class="batch" id="batch-([0-9a-f-]{36})"', html)

    first = browser.get("/create/").content.decode()
    assert batches(first) == made[:PAGE]
    older = re.search(r'<a href="([^"]+)" rel="next"', first)
    assert older
    part = browser.get(older[1], headers=HTMX).content.decode()
    assert batches(part) == made[PAGE:]
    assert "<html" not in part


def test_stopping_and_trying_again_in_place() -> None:
    artist = make_artist()
    request = ask(artist, count=2)
    browser = browser_of(artist)
    output = request.outputs.get(ordinal=0)
    stopped = browser.post(reverse("generation:cancel_output", args=[output.public_id]), headers=HTMX).content.decode()
    assert f'id="output-{output.public_id}"' in stopped
    assert "No credits were taken." in stopped
    batch = browser.post(reverse("generation:cancel", args=[request.public_id]), headers=HTMX).content.decode()
    assert batch.count("No credits were taken.") == 2
    assert account_of(artist).held == 0
    tile = browser.post(reverse("generation:retry_output", args=[output.public_id]), headers=HTMX).content.decode()
    assert "image-tile forming" in tile
    browser.post(reverse("generation:retry", args=[request.public_id]), headers=HTMX)
    assert account_of(artist).held == 2
    again = browser.post(reverse("generation:retry", args=[request.public_id]), headers=HTMX)
    assert again.status_code == 409
    assert "No picture of this request failed" in again["HX-Trigger"]


def test_again_is_the_same_recipe_with_another_seed() -> None:
    artist = make_artist()
    request = ask(artist, seed=5, steps=9, count=2)
    html = browser_of(artist).post(reverse("generation:again", args=[request.public_id]), headers=HTMX).content.decode()
    made = Request.objects.exclude(pk=request.pk).get()
    assert f'id="batch-{made.public_id}"' in html
    assert (made.params, made.prompt) == (request.params, request.prompt)
    assert made.seed != 5


def test_a_finished_picture_takes_the_place_of_the_forming_one(tmp_path: Path) -> None:
    artist = make_artist()
    output = finish(ask(artist).outputs.get(), tmp_path)
    html = browser_of(artist).get(reverse("generation:output", args=[output.public_id])).content.decode()
    assert f'<figure class="image-tile" id="output-{output.public_id}"' in html
    assert output.artwork
    assert reverse("gallery:artwork", args=[output.artwork.public_id]) in html


def test_a_deleted_picture_leaves_no_gap(tmp_path: Path) -> None:
    artist = make_artist()
    request = ask(artist, count=2)
    output = finish(request.outputs.get(ordinal=0), tmp_path)
    assert output.artwork
    browser_of(artist).post(reverse("gallery:delete", args=[output.artwork.public_id]))
    html = browser_of(artist).get("/create/").content.decode()
    assert f"output-{output.public_id}" not in html


# --- what is pushed ---


def roots(html: str) -> list[str]:
    """The ids of what is replaced on the page."""
    return re.findall(r'<(?:figure|header|span|progress|p|img)[^>]* id="((?:output|batch)-[^"]+)"', html)


def pushed(output: Output) -> str:
    return TEXT_TO_IMAGE.render(output_of(output.public_id).job)


def test_while_it_draws_only_the_figures_are_pushed() -> None:
    output = ask().outputs.get()
    job = claimed(output)
    lifecycle.report(
        job_id=job.public_id, fence=job.fence, phase="denoising", fraction=0.5, step=9, steps=18, eta_seconds=4
    )
    html = pushed(output)
    batch = f"batch-{output.request.public_id}"
    assert roots(html) == [f"output-{output.public_id}-at", f"output-{output.public_id}-bar", f"{batch}-state"]
    assert "9/18" in html
    assert "forming, 4 seconds left" in html


def test_a_waiting_pictures_push_tells_of_its_running_neighbour_too() -> None:
    first, second = ask(count=2).outputs.all()
    claimed(first)
    html = pushed(second)
    assert f"output-{first.public_id}-at" in roots(html)
    assert f"output-{first.public_id}-preview" not in html
    assert f"output-{second.public_id}" in roots(html)


def test_a_preview_is_the_picture_alone() -> None:
    output = ask().outputs.get()
    html = TEXT_TO_IMAGE.render_preview(output.job, 3, "UklGRg==")
    assert roots(html) == [f"output-{output.public_id}-preview"]
    assert 'src="data:image/webp;base64,UklGRg=="' in html


def test_a_preview_cannot_speak_html() -> None:
    html = TEXT_TO_IMAGE.render_preview(ask().outputs.get().job, 3, '"><script>')
    assert "<script>" not in html


def test_a_finished_picture_is_pushed_with_its_batchs_head_and_said_aloud(tmp_path: Path) -> None:
    output = finish(ask().outputs.get(), tmp_path)
    html = pushed(output)
    assert f'<figure class="image-tile" id="output-{output.public_id}"' in html
    assert f'id="batch-{output.request.public_id}-head"' in html
    assert "Picture 1 is ready." in html


def test_a_failed_picture_says_why_and_that_it_cost_nothing(settings: Any) -> None:
    settings.BILLING = True
    output = ask(make_artist(credits=7)).outputs.get()
    job = claimed(output)
    lifecycle.fail(job_id=job.public_id, fence=job.fence, code="out_of_memory", say="Try a smaller size.")
    html = pushed(output)
    assert "Try a smaller size." in html
    assert "No credits were taken." in html
    assert "Picture 1 could not be made. It cost nothing." in html
    assert 'id="dock-balance" data-available="7"' in html


def test_eight_pictures_stand_in_two_rows_of_four() -> None:
    request = Request.objects.whole().get(pk=ask(count=8).pk)
    assert [len(row.tiles) for row in fragments.rows(request)] == [4, 4]


def test_what_is_not_ones_own_is_not_there() -> None:
    request = ask()
    output = request.outputs.get()
    other = browser_of(make_user())
    for name, public_id in (("head", request.public_id), ("output", output.public_id)):
        assert other.get(reverse(f"generation:{name}", args=[public_id])).status_code == 404
    for name in ("cancel", "retry", "again"):
        assert other.post(reverse(f"generation:{name}", args=[request.public_id])).status_code == 404
    for name in ("cancel_output", "retry_output"):
        assert other.post(reverse(f"generation:{name}", args=[output.public_id])).status_code == 404
    style = make_style(make_user())
    assert other.get(reverse("generation:style_row", args=[style.public_id])).status_code == 404
    assert Client().get("/create/").status_code == 302
