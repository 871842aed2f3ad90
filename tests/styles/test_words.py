import re

import pytest

from styles.words import clean_filename, new_trigger_word, suggest_caption


@pytest.mark.parametrize(
    ("filename", "caption"),
    [
        ("red_fox-in-snow.png", "red fox in snow"),
        ("RedFoxInSnow.jpg", "red fox in snow"),
        ("03 - The Old Mill (final).jpeg", "the old mill"),
        ("watercolour_study_of_a_heron_v2.tif", "of a heron"),
        ("IMG_1234.JPG", ""),
        ("DSC00012.jpg", ""),
        ("PXL_20260131_120000.jpg", ""),
        ("Screenshot 2026-01-31 at 12.00.00.png", ""),
        ("WhatsApp Image 2026-01-31 at 12.00.00.jpeg", ""),
        ("scan 7.png", ""),
        ("untitled-3.png", ""),
        ("20260131.png", ""),
        ("9f8b2c1e-77aa-4d7e-9c55-0a1b2c3d4e5f.webp", ""),
        ("painting_final_hires.png", ""),
        ("", ""),
        ("ab.png", ""),
        ("Füchsin im Schnee.png", "füchsin im schnee"),
    ],
)
def test_a_caption_is_suggested_from_what_the_name_says(filename, caption):
    assert suggest_caption(filename) == caption


def test_a_caption_never_names_the_style():
    assert suggest_caption("hedgerow-fox.png", style_name="Hedgerow") == "fox"


def test_a_long_name_loses_its_middle_and_keeps_its_ending():
    name = clean_filename("x" * 300 + ".png")
    assert len(name) == 120
    assert name.endswith(".png")


def test_a_trigger_word_can_be_said_and_means_nothing():
    words = {new_trigger_word() for _ in range(500)}
    assert len(words) > 490
    assert all(re.fullmatch(r"[a-z]{6}|[a-z]{8}", word) for word in words)
    assert all(re.search(r"kv|zv|vz|zk|vk|gv|zg|vg|jk|fz|zr|vm|zd|vd|gz|kz", word) for word in words)
