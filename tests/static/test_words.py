"""The words and numbers of the pages."""

import pytest
from django import forms
from django.core.paginator import Paginator
from django.template import engines
from django.test import RequestFactory

from config.kit.icons import UnknownIcon
from config.kit.templatetags import ui


def render(text: str, **context: object) -> str:
    return engines["django"].from_string(text).render(context, RequestFactory().get("/styles/7/"))


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0 credits"), (1, "1 credit"), (1200, "1,200 credits"), (None, "0 credits")]
)
def test_credits_are_a_number_and_the_word(value: int | None, words: str) -> None:
    assert ui.credits(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "a while"), (0.2, "1 second"), (9, "9 seconds"), (59.4, "59 seconds"), (60, "about 1 minute"),
        (640, "about 11 minutes"), (5399, "about 90 minutes"), (7300, "about 2 hours"),
    ],
)  # fmt: skip
def test_time_left_is_as_vague_as_it_is(seconds: float | None, words: str) -> None:
    assert ui.time_left(seconds) == words


def test_percent_never_says_a_hundred_before_it_is_done() -> None:
    assert ui.percent(0.999) == "99\u202f%"
    assert ui.percent(0.29) == "29\u202f%"
    assert ui.percent(1) == "100\u202f%"
    assert ui.percent(None) == "0\u202f%"


def test_amounts_have_a_true_minus_and_nothing_is_nothing() -> None:
    assert [ui.signed(-40), ui.signed(300), ui.signed(0)] == ["−40", "+300", "0"]


@pytest.mark.parametrize(
    ("name", "letters"), [("Ines Moreau", "IM"), ("ines", "I"), ("", "?"), (None, "?"), ("Ana María de la O", "AO")]
)
def test_initials_stand_for_a_person(name: str | None, letters: str) -> None:
    assert ui.initials(name) == letters


def test_ratios_have_a_dot_and_survive_a_missing_size() -> None:
    assert ui.ratio(4, 3) == "1.333"
    assert ui.ratio(768, 768) == "1"
    assert ui.ratio(None, None) == "1"


def test_an_unknown_icon_is_an_error() -> None:
    assert 'class="icon lg"' in render('{% icon "check" "lg" %}')
    with pytest.raises(UnknownIcon, match="unicorn"):
        render('{% icon "unicorn" %}')


def test_the_place_one_is_at_is_marked() -> None:
    assert render('<a{% current "/studio/" "/styles/" %}>') == '<a aria-current="page">'
    assert render('<a{% current "/gallery/" %}>') == "<a>"


def test_a_field_ties_its_help_and_its_mistake_to_the_control() -> None:
    class Handle(forms.Form):
        handle = forms.SlugField(help_text="Letters and digits.")
        wanted = forms.BooleanField(required=False)

    page = render('{% include "ui/form.html" %}', form=Handle({"handle": "not a slug!"}))
    assert 'class="input"' in page
    assert 'aria-invalid="true"' in page
    for name in ("id_handle_helptext", "id_handle_error"):
        assert f'id="{name}"' in page
        assert name in page.split("aria-describedby=")[1][:60]


def test_a_first_drop_shows_what_is_needed_as_solid_frames() -> None:
    page = render('{% include "ui/blank_sheet.html" with sheet="sheet" needed=20 limit=40 %}')
    assert page.count("frame blank") == 20
    assert page.count("frame spare") == 20


def test_pagination_shows_where_one_is_and_hides_when_there_is_one_page() -> None:
    many = Paginator(range(100), 10).page(2)
    page = render('{% include "ui/pagination.html" %}', page=many, query="kind=film&")
    assert '<span aria-current="page">2</span>' in page
    assert 'href="?kind=film&amp;page=3"' in page
    assert "<nav" not in render('{% include "ui/pagination.html" %}', page=Paginator(range(3), 10).page(1))
