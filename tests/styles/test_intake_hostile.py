import zlib

import pytest
from PIL import Image

from config.kit import media
from styles import actions
from styles.actions import Refused
from tests.builders import make_style
from tests.styles.intake import accepted, copy_of, difference, take
from tests.styles.pictures import encoded, jpeg, painting, png_chunk, png_of_promised_size, upload

pytestmark = pytest.mark.django_db


REFUSED = {
    "empty": b"",
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<!DOCTYPE html><html><script>alert(1)</script></html>",
    "gif": encoded(painting(1), "GIF"),
    "tiff": encoded(painting(1), "TIFF"),
    "psd": b"8BPS\x00\x01" + b"\0" * 100,
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 600 600\n",
    "pdf": b"%PDF-1.7\n",
    "archive": b"PK\x03\x04" + b"\0" * 100,
    "bmp": encoded(painting(1), "BMP"),
    "icon": b"\x00\x00\x01\x00" + b"\0" * 40,
    "video": b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41",
    "not_a_picture": b"just words, however long " * 50,
    "broken": b"\xff\xd8\xff\xe0" + b"\x00\x10JFIF" + bytes(range(256)) * 8,
    "truncated": jpeg(1)[:-3000],
    "too_small": jpeg(1, (2000, 511)),
    "too_long": jpeg(1, (5000, 600)),
    "too_many_pixels": png_of_promised_size(8000, 8000),
}


def test_each_is_refused_with_a_sentence_of_its_own():
    style = make_style()
    files = [upload(content, f"{code}.jpg") for code, content in REFUSED.items()]
    verdicts = actions.add_references(style=style, files=files)
    assert {verdict.filename: verdict.code for verdict in verdicts} == {f"{code}.jpg": code for code in REFUSED}
    assert len({verdict.say for verdict in verdicts}) == len(REFUSED)
    assert all(verdict.say.endswith(".") and "%(" not in verdict.say for verdict in verdicts)
    assert not style.references.exists()


def test_a_promise_of_a_huge_picture_is_no_bomb():
    sizes = [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (0, 0), (50_001, 1000)]
    files = [upload(png_of_promised_size(*size), "bomb.png") for size in sizes]
    assert all(isinstance(verdict, Refused) for verdict in actions.add_references(style=make_style(), files=files))


def test_a_real_picture_beyond_fifty_megapixels_is_refused():
    huge = encoded(Image.new("L", (10_200, 5_000)), "PNG")
    verdict = take(make_style(), huge, "huge.png")
    assert isinstance(verdict, Refused)
    assert verdict.code == "too_many_pixels"


def test_fifty_megapixels_with_transparency_are_opened_within_the_limits():
    large = Image.new("RGBA", (10_000, 5_000), (200, 30, 30, 128))
    large.paste((0, 0, 255, 255), (0, 0, 5_000, 5_000))
    reference = accepted(take(make_style(), encoded(large, "PNG", compress_level=1), "large.png"))
    assert reference.width == 10_000


def test_a_file_beyond_25_megabytes_is_refused_unopened():
    verdict = take(make_style(), jpeg() + b"\0" * (26 * 1024 * 1024), "heavy.jpg")
    assert isinstance(verdict, Refused)
    assert verdict.code == "too_large"


def test_moving_pictures_are_refused():
    first, second = painting(1, (600, 600)), painting(2, (600, 600))
    files = [
        upload(encoded(first, kind, save_all=True, append_images=[second]), kind) for kind in ("WEBP", "PNG", "AVIF")
    ]
    verdicts = actions.add_references(style=make_style(), files=files)
    assert [verdict.code for verdict in verdicts] == ["animated"] * 3


def test_a_phones_photograph_with_a_second_picture_inside_is_taken():
    content = encoded(painting(1), "MPO", save_all=True, append_images=[painting(2)])
    reference = accepted(take(make_style(), content))
    assert difference(copy_of(reference), painting(1)) < 12


def test_what_hides_behind_a_picture_does_not_survive():
    payload = b"PK\x03\x04<script>alert(document.cookie)</script><?php system($_GET[0]); ?>"
    for content in (jpeg() + payload, encoded(painting(2), "PNG") + payload, jpeg(3, comment=payload)):
        reference = accepted(take(make_style(), content))
        for key in (reference.key, reference.thumb_key):
            assert b"<script>" not in media.read(key)
            assert b"<?php" not in media.read(key)


def test_a_web_page_that_is_also_a_picture_is_a_web_page():
    verdict = take(make_style(), b"<html><!--" + jpeg() + b"--></html>", "page.jpg")
    assert isinstance(verdict, Refused)
    assert verdict.code == "html"


def test_a_png_with_a_text_bomb_is_refused():
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 200_000_000))
    content = encoded(painting(1), "PNG")
    verdict = take(make_style(), content[:33] + bomb + content[33:], "bomb.png")
    assert isinstance(verdict, Refused)


def test_damaged_files_of_every_kind_get_a_sentence():
    files = []
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF"):
        whole = encoded(painting(1, (600, 600)), kind)
        for broken in (whole[: len(whole) // 2], whole[:40], whole[:200] + b"\xff" * 400 + whole[600:]):
            files.append(upload(broken, f"broken.{kind}"))
    verdicts = actions.add_references(style=make_style(), files=files)
    assert len(verdicts) == len(files)
    refused = [verdict for verdict in verdicts if isinstance(verdict, Refused)]
    assert len(refused) >= 12  # a lenient decoder may read on behind a damaged stretch
    assert all(verdict.code in ("broken", "truncated", "unreadable", "animated", "video") for verdict in refused)


def test_a_makers_wish_not_to_train_is_kept():
    mark = b"c2pa.training-mining\0\xa1gentries\xa1x\x1bc2pa.ai_generative_training\xa1cusejnotAllowed"
    verdict = take(make_style(), jpeg() + mark)
    assert isinstance(verdict, Refused)
    assert verdict.code == "do_not_train"
