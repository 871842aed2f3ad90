"""Pages that must come out when nothing else works, and the shell around every page."""

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import RequestFactory


@pytest.mark.parametrize("name", ["403.html", "404.html", "413.html", "429.html", "500.html", "refusal.html"])
def test_a_page_for_what_goes_wrong_needs_no_request_and_no_database(name: str) -> None:
    page = render_to_string(name, {"say": "Try 768 px.", "back": "/create/"})
    assert page.count("<h1>") == 1
    assert '<a class="button' in page or '<a class="link"' in page  # there is always a way on
    assert "htmx" not in page


def test_a_refusal_says_its_sentence_and_leads_back() -> None:
    page = render_to_string("refusal.html", {"say": "Try <768> px.", "back": "/create/"})
    assert "Try &lt;768&gt; px." in page
    assert 'href="/create/"' in page


def page_for_a_visitor(name: str = "pages/home.html", **context: object) -> str:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    return render_to_string(name, {"user": request.user, "shell": {}, **context}, request=request)


def test_a_visitor_gets_no_socket_and_no_place_that_needs_an_account() -> None:
    page = page_for_a_visitor("base.html")
    assert "ws-connect" not in page
    assert "/studio/" not in page


def test_the_theme_and_the_ratios_are_known_before_the_first_paint() -> None:
    head = page_for_a_visitor("base.html").split("</head>")[0]
    for name in ("theme", "vars"):
        [tag] = re.findall(rf"<script[^>]*js/{name}\.js[^>]*>", head)
        assert "defer" not in tag
        assert "module" not in tag


def test_the_front_page_hangs_its_own_drawings_until_there_are_pictures() -> None:
    assert "img/hand/moon.svg" in page_for_a_visitor().split("steps-title")[0]
    wall = [{"src": f"/p/{n}.webp", "width": 4, "height": 3, "alt": f"picture {n}", "url": f"/{n}"} for n in range(13)]
    hero = page_for_a_visitor(wall=wall).split("steps-title")[0]
    assert "img/hand" not in hero
    assert hero.count('data-ratio="1.333"') == 13


def test_prices_are_spoken_of_only_where_they_are_paid() -> None:
    assert "50 free credits" in page_for_a_visitor(billing_on=True, free_credits=50)
    assert "free credits" not in page_for_a_visitor(billing_on=False, free_credits=50)
