import pytest
from PIL import ImageFilter

from styles import actions
from styles.actions import Accepted, Refused
from tests.builders import make_style
from tests.styles.intake import accepted, take
from tests.styles.pictures import encoded, jpeg, painting, upload

pytestmark = pytest.mark.django_db


def test_small_and_blurred_works_are_taken_with_a_remark():
    style = make_style()
    small = accepted(take(style, jpeg(1, (600, 900))))
    blurred = accepted(take(style, encoded(painting(2).filter(ImageFilter.GaussianBlur(6)))))
    assert [remark["code"] for remark in small.remarks] == ["small"]
    assert "600 × 900" in small.remarks[0]["say"]
    assert [remark["code"] for remark in blurred.remarks] == ["blurred"]
    assert {small.verdict, blurred.verdict} == {"remarked"}


def test_the_same_file_twice_is_refused_and_a_retouched_copy_remarked():
    style = make_style()
    accepted(take(style, jpeg(1)))
    again = take(style, jpeg(1), "copy.jpg")
    retouched = accepted(take(style, encoded(painting(1).resize((960, 768)), "JPEG", quality=60)))
    assert isinstance(again, Refused)
    assert (again.code, again.say) == ("duplicate", "This is already here as #1.")
    assert retouched.remarks == [{"code": "near_duplicate", "say": retouched.remarks[0]["say"], "of": 1}]
    assert "#1" in retouched.remarks[0]["say"]


def test_the_same_file_twice_in_one_go_is_here_once():
    style = make_style()
    verdicts = actions.add_references(style=style, files=[upload(jpeg(1), "a.jpg"), upload(jpeg(1), "b.jpg")])
    assert [type(verdict) for verdict in verdicts] == [Accepted, Refused]
    assert style.references.count() == 1


def test_names_of_files_are_only_names():
    reference = accepted(take(make_style(), jpeg(), "../../etc/pass\x00wd\u202egpj.<b>fox</b>.jpg"))
    assert "/" not in reference.filename.replace("</b>", "")
    assert "\x00" not in reference.filename
    assert "\u202e" not in reference.filename
    assert str(reference.style.public_id) in reference.key


def test_figures_come_with_it():
    reference = accepted(take(make_style(), jpeg()))
    assert reference.tone.startswith("#")
    assert reference.blur.startswith("data:image/webp;base64,")
    assert len(reference.blur) < 600
    assert reference.sharpness > 0.005
    assert abs(sum(reference.features["hues"]) - 1) < 0.01
