import pytest

from gpu.engine.catalogue import buckets
from styles.buckets import fate
from styles.report import dataset_report
from tests.builders import make_reference, make_style

pytestmark = pytest.mark.django_db


def says(style):
    report = dataset_report(style)
    return {finding.code: finding for finding in report.teaches + report.lacks}


def fill(style, count, **change):
    """Works that differ in nothing the report looks at, but for `change`."""
    plain = {
        "light": 0.5, "contrast": 0.5, "saturation": 0.4, "dark": 0.1, "white": 0.0, "white_edge": 0.0, "detail": 0.1,
        "hues": [1 / 12] * 12,
    }  # fmt: skip
    taken = style.references.count()
    fields = {name: value for name, value in change.items() if name not in plain}
    features = plain | {name: value for name, value in change.items() if name in plain}
    for position in range(taken + 1, taken + count + 1):
        make_reference(style, position=position, features=features, **fields)


def test_an_empty_set_says_what_is_needed():
    report = dataset_report(make_style())
    assert report.summary == "20 more works are needed."
    assert [finding.say for finding in report.lacks] == ["0 of 20 works are here."]
    assert not report.ready


def test_a_good_set_lacks_nothing():
    style = make_style()
    fill(style, 7)
    fill(style, 7, width=1600)
    fill(style, 7, height=1600)
    report = dataset_report(style)
    assert report.summary == "A good set. Nothing is missing."
    assert report.ready
    assert {finding.code for finding in report.teaches} == {
        "count",
        "large",
        "captions",
        "one_hand",
        "palette",
        "shapes",
    }


def test_it_names_small_blurred_alike_and_uncaptioned_works():
    style = make_style()
    fill(style, 3)
    fill(style, 1, width=600, remarks=[{"code": "small", "say": ""}])
    fill(style, 1, remarks=[{"code": "blurred", "say": ""}])
    fill(style, 1, remarks=[{"code": "near_duplicate", "say": "", "of": 1}])
    fill(style, 1, caption="")
    found = says(style)
    assert (found["small"].say, found["small"].images) == ("1 work is small.", [4])
    assert (found["blurred"].say, found["blurred"].images) == ("1 work looks blurred.", [5])
    assert (found["near_duplicates"].say, found["near_duplicates"].images) == (
        "1 work is almost the same as another.",
        [6],
    )
    assert (found["captions"].say, found["captions"].images) == ("1 work has no caption.", [7])


def test_it_finds_the_odd_one_out_and_says_in_what():
    style = make_style()
    fill(style, 10)
    fill(style, 1, light=0.05)
    odd = says(style)["odd_one_out"]
    assert odd.images == [11]
    assert odd.more.startswith("#11 is much darker than the others.")


def test_it_tells_one_hand_from_several():
    style = make_style()
    for light in (0.1, 0.9):
        fill(style, 6, light=light, saturation=light, contrast=light)
    assert "many_hands" in says(style)


def test_it_speaks_of_the_palette():
    warm = make_style()
    fill(warm, 5, hues=[0.5, 0.3, 0.2] + [0] * 9)
    found = says(warm)
    assert found["palette"].say == "The palette lives on reds, oranges and yellows."
    assert found["missing_colours"].say == "Hardly any greens, blues, violets and pinks."
    grey = make_style()
    fill(grey, 5, saturation=0.01)
    assert says(grey)["palette"].say == "Black, white and greys throughout."


def test_it_speaks_of_light_and_of_white_edges():
    bright = make_style()
    fill(bright, 5, light=0.8)
    assert says(bright)["no_dark"].say == "No dark picture."
    mixed = make_style()
    fill(mixed, 4)
    fill(mixed, 2, dark=0.6)
    assert says(mixed)["light_and_dark"].more == "2 of 6 are dark: both will work."
    edged = make_style()
    fill(edged, 4)
    fill(edged, 2, white_edge=0.9)
    assert (says(edged)["white_edges"].say, says(edged)["white_edges"].images) == (
        "2 works fade to white at the edge.",
        [5, 6],
    )
    white = make_style()
    fill(white, 4, white_edge=0.9, light=0.9)
    assert says(white)["on_white"].kind == "good"
    assert "no_dark" not in says(white)


def test_it_speaks_of_shapes_and_of_what_is_cut():
    style = make_style()
    fill(style, 4)
    assert says(style)["shapes"].say == "Every work is square."
    fill(style, 4, width=5000)
    found = says(style)
    assert found["shapes"].say == "Few or no upright pictures."
    assert found["cropped"].images == [5, 6, 7, 8]


def test_a_work_is_seen_at_the_size_that_crops_it_least():
    upright = fate(743, 1280, sizes=buckets(1024, 32))
    assert upright.width < upright.height
    assert upright.kept > 0.95
    strip = fate(4000, 800, sizes=buckets(1024, 32))
    assert strip.width == pytest.approx(2 * strip.height, rel=0.1)
    assert strip.kept == pytest.approx(0.4, abs=0.05)


def test_the_starters_sizes_are_the_ones_shown(settings):
    settings.BASE_MODEL = "starter"
    style = make_style(works=1)
    [image] = dataset_report(style).images
    assert (image.number, image.width, image.height, image.kept) == (1, 128, 128, 1.0)
