import json

import pytest
from PIL import Image, ImageCms, ImageFilter, ImageOps

from config.kit import media
from styles import actions
from styles.actions import Accepted, Refused
from styles.models import Reference, Style
from tests.builders import make_style
from tests.styles.pictures import encoded, jpeg, painting, png_chunk, png_of_promised_size, upload

pytestmark = pytest.mark.django_db


def take(style: Style, content: bytes, name: str = "fox.jpg") -> Accepted | Refused:
    [verdict] = actions.add_references(style=style, files=[upload(content, name)])
    return verdict


def accepted(verdict: Accepted | Refused) -> Reference:
    assert isinstance(verdict, Accepted), verdict
    return verdict.reference


def copy_of(reference: Reference) -> Image.Image:
    with media.open_file(reference.key) as file:
        image = Image.open(file)
        image.load()
    return image


def test_it_takes_a_plain_picture():
    reference = accepted(take(make_style(), jpeg(), "red_fox_in_snow.jpg"))
    assert (reference.width, reference.height, reference.position) == (1000, 800, 1)
    assert reference.caption == "red fox in snow"
    assert reference.verdict == "accepted"
    assert copy_of(reference).size == (1000, 800)


def test_it_reads_every_format_that_is_taken():
    style = make_style()
    files = {
        "JPEG": (1, {}),
        "PNG": (2, {}),
        "WEBP": (3, {}),
        "AVIF": (4, {}),
        "HEIF": (5, {}),
    }
    for kind, (seed, options) in files.items():
        reference = accepted(take(style, encoded(painting(seed), kind, **options), f"one.{kind.lower()}"))
        assert copy_of(reference).format == "JPEG"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_turns_a_photograph_upright(orientation):
    upright = painting(7, (900, 600))
    turned = {
        2: ImageOps.mirror,
        3: lambda image: image.rotate(180),
        4: ImageOps.flip,
        5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
        6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
        7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
        8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
    }.get(orientation, lambda image: image)(upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    reference = accepted(take(make_style(), encoded(turned, "JPEG", quality=95, exif=exif)))
    assert (reference.width, reference.height) == (900, 600)
    assert _difference(copy_of(reference), upright) < 6


def test_it_leaves_no_trace_of_the_place_or_the_camera():
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (48.0, 51.0, 29.6)
    content = encoded(
        painting(1), "JPEG", exif=exif, comment=b"hidden words", xmp=b"<x:xmpmeta>home address</x:xmpmeta>"
    )
    assert b"SecretCamera" in content
    reference = accepted(take(make_style(), content))
    for key in (reference.key, reference.thumb_key):
        stored = media.read(key)
        for trace in (b"SecretCamera", b"Exif", b"hidden words", b"home address", b"xmpmeta", b"ICC_PROFILE"):
            assert trace not in stored
        with media.open_file(key) as file:
            assert not Image.open(file).getexif()


def test_it_converts_a_wide_colour_space_to_srgb():
    wide = painting(3)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    assert lab is not None
    # a profile whose red and green are swapped in meaning is easy to see and is a real matrix profile
    profile = _profile_with_red_and_green_swapped(srgb.tobytes())
    reference = accepted(take(make_style(), encoded(wide, "PNG", icc_profile=profile), "wide.png"))
    red, green, blue = wide.split()
    assert _difference(copy_of(reference), Image.merge("RGB", (green, red, blue))) < 6


def test_a_broken_colour_profile_is_as_good_as_none():
    reference = accepted(take(make_style(), encoded(painting(4), "JPEG", quality=95, icc_profile=b"not a profile")))
    assert _difference(copy_of(reference), painting(4)) < 6


def test_what_is_transparent_becomes_white():
    clear = painting(5).convert("RGBA")
    clear.paste((255, 0, 0, 0), (0, 0, 400, 800))
    for kind in ("PNG", "WEBP"):
        style = make_style()
        copy = copy_of(accepted(take(style, encoded(clear, kind, **({"lossless": True} if kind == "WEBP" else {})))))
        assert min(copy.getpixel((200, 400))) >= 253


def test_it_reads_palettes_greys_and_print_colours():
    style = make_style()
    palette = painting(6).quantize(32)
    grey, lineart, ink = painting(7, mode="L"), painting(8, mode="1"), painting(9, mode="CMYK")
    for number, (image, kind) in enumerate(((palette, "PNG"), (grey, "PNG"), (lineart, "PNG"), (ink, "JPEG"))):
        copy = copy_of(accepted(take(style, encoded(image, kind), f"{number}.file")))
        assert copy.mode == "RGB"
        assert _difference(copy, image.convert("RGB")) < 12


def test_sixteen_bit_greys_keep_their_tones():
    ramp = Image.linear_gradient("L").resize((700, 700)).convert("I").point(lambda value: value * 257)
    content = encoded(ramp.convert("I;16"), "PNG")
    copy = copy_of(accepted(take(make_style(), content, "scan.png")))
    dark, middle, light = (copy.getpixel((350, y))[0] for y in (20, 350, 680))
    assert dark < 20
    assert 110 < middle < 145
    assert light > 235


def test_a_large_picture_is_kept_at_a_useful_size():
    reference = accepted(take(make_style(), jpeg(1, (5000, 3000))))
    assert (reference.width, reference.height) == (5000, 3000)
    assert copy_of(reference).size == (2048, 1229)


def test_a_long_picture_keeps_its_shorter_side():
    reference = accepted(take(make_style(), jpeg(1, (4000, 700))))
    assert copy_of(reference).size == (2926, 512)


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


@pytest.mark.parametrize("code", REFUSED)
def test_it_refuses_with_a_sentence(code):
    style = make_style()
    verdict = take(style, REFUSED[code], "drawing.jpg")
    assert isinstance(verdict, Refused)
    assert verdict.code == code
    assert verdict.filename == "drawing.jpg"
    assert verdict.say.endswith(".")
    assert "%(" not in verdict.say
    assert not style.references.exists()


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (0, 0), (50_001, 1000)])
def test_a_promise_of_a_huge_picture_is_no_bomb(size):
    assert isinstance(take(make_style(), png_of_promised_size(*size), "bomb.png"), Refused)


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
    frames = [painting(1), painting(2)]
    for kind in ("WEBP", "PNG", "AVIF"):
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        verdict = take(make_style(), content, "moving")
        assert isinstance(verdict, Refused), kind
        assert verdict.code == "animated"


def test_a_phones_photograph_with_a_second_picture_inside_is_taken():
    content = encoded(painting(1), "MPO", save_all=True, append_images=[painting(2)])
    reference = accepted(take(make_style(), content))
    assert _difference(copy_of(reference), painting(1)) < 12


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
    import zlib

    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 200_000_000))
    content = encoded(painting(1), "PNG")
    verdict = take(make_style(), content[:33] + bomb + content[33:], "bomb.png")
    assert isinstance(verdict, Refused)


def test_damaged_files_of_every_kind_get_a_sentence():
    style = make_style()
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF"):
        whole = encoded(painting(1), kind)
        for broken in (whole[: len(whole) // 2], whole[:40], whole[:200] + b"\xff" * 400 + whole[600:]):
            for verdict in actions.add_references(style=style, files=[upload(broken, f"broken.{kind}")]):
                if isinstance(verdict, Refused):
                    assert verdict.say.endswith(".")


def test_a_makers_wish_not_to_train_is_kept():
    mark = b"c2pa.training-mining\0\xa1gentries\xa1x\x1bc2pa.ai_generative_training\xa1cusejnotAllowed"
    verdict = take(make_style(), jpeg() + mark)
    assert isinstance(verdict, Refused)
    assert verdict.code == "do_not_train"


def test_one_bad_file_never_spoils_the_others():
    files = [
        upload(jpeg(1), "1.jpg"),
        upload(REFUSED["truncated"], "2.jpg"),
        upload(b"", "3.jpg"),
        upload(jpeg(4), "4.jpg"),
    ]
    verdicts = actions.add_references(style=make_style(), files=files)
    assert [type(verdict) for verdict in verdicts] == [Accepted, Refused, Refused, Accepted]


def test_a_file_that_ends_the_sandbox_never_spoils_the_others(monkeypatch, tmp_path):
    """A decoder that crashes is stood in for by a sandbox that kills itself at the second file."""
    from styles.intake import inspect as intake

    trap = (
        "import sys, os; sys.path.insert(0, sys.argv.pop(1)); from pathlib import Path;"
        "from styles.intake import sandbox; plain = sandbox.inspect;"
        "sandbox.inspect = lambda path, out: os.abort() if path.name == '1' else plain(path, out);"
        "sandbox.main(Path(sys.argv[1]), [int(n) for n in sys.argv[2:]])"
    )
    monkeypatch.setattr(intake, "_BOOTSTRAP", trap)
    files = [upload(jpeg(seed), f"{seed}.jpg") for seed in (1, 2, 3)]
    verdicts = actions.add_references(style=make_style(), files=files)
    assert [type(verdict) for verdict in verdicts] == [Accepted, Refused, Accepted]
    assert verdicts[1].code == "unreadable"


def test_the_sandbox_holds_no_secret_and_little_memory(tmp_path):
    """What the sandbox process sees of the environment, and what it may take."""
    import subprocess
    import sys

    from django.conf import settings

    from styles.intake import inspect as intake

    look = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import os, resource; from pathlib import Path;"
        "from styles.intake import sandbox; sandbox.main(Path(sys.argv[1]), []);"
        "loaded = [name for name in ('django', 'torch', 'celery') if name in sys.modules];"
        "print(sorted(os.environ), resource.getrlimit(resource.RLIMIT_AS)[0], loaded)"
    )
    said = subprocess.run(
        [sys.executable, "-I", "-c", look, str(settings.BASE_DIR), str(tmp_path)],
        env=intake._ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.strip() == f"{sorted(intake._ENVIRONMENT)} {2 << 30} []"


def test_a_file_that_takes_too_long_is_given_up(monkeypatch):
    from styles.intake import inspect as intake

    endless = (
        "import sys, time; sys.path.insert(0, sys.argv.pop(1)); from pathlib import Path;"
        "from styles.intake import sandbox; sandbox.SECONDS_A_FILE = 1;"
        "sandbox.inspect = lambda path, out: time.sleep(60);"
        "sandbox.main(Path(sys.argv[1]), [int(n) for n in sys.argv[2:]])"
    )
    monkeypatch.setattr(intake, "_BOOTSTRAP", endless)
    verdict = take(make_style(), jpeg())
    assert isinstance(verdict, Refused)
    assert verdict.code == "unreadable"


def test_what_the_sandbox_answers_is_not_taken_on_trust(monkeypatch):
    from styles.intake import inspect as intake

    figures = {"width": 800, "height": 800, "phash": 1, "sharpness": 1, "tone": "#000000"} | {
        "blur": "data:image/webp;base64,AA==",
        "features": dict.fromkeys(("light", "contrast", "saturation", "dark", "white", "white_edge", "detail"), 0)
        | {"hues": [0] * 12},
    }
    lying = (
        "import sys; from pathlib import Path; out = Path(sys.argv[2]) / 'out' / '0'; out.mkdir(parents=True);"
        "(out / 'copy.jpg').symlink_to('/etc/passwd'); (out / 'thumb.webp').write_bytes(b'RIFF');"
        f"(out / 'result.json').write_text({json.dumps({'accepted': figures})!r})"
    )
    monkeypatch.setattr(intake, "_BOOTSTRAP", lying)
    verdict = take(make_style(), jpeg())
    assert isinstance(verdict, Refused)
    assert verdict.code == "unreadable"


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


def test_a_picture_is_ready_within_its_time():
    """Two megapixels, process start included; a generous bound, for machines are shared."""
    import time

    style = make_style()
    take(style, jpeg(1))
    started = time.monotonic()
    accepted(take(style, jpeg(2, (1700, 1200))))
    assert time.monotonic() - started < 3


def test_figures_come_with_it():
    reference = accepted(take(make_style(), jpeg()))
    assert reference.tone.startswith("#")
    assert reference.blur.startswith("data:image/webp;base64,")
    assert len(reference.blur) < 600
    assert reference.sharpness > 0.005
    assert abs(sum(reference.features["hues"]) - 1) < 0.01


def _difference(one: Image.Image, other: Image.Image) -> float:
    import numpy as np

    return float(
        np.abs(np.asarray(one.convert("RGB"), dtype=float) - np.asarray(other.convert("RGB"), dtype=float)).mean()
    )


def _profile_with_red_and_green_swapped(srgb: bytes) -> bytes:
    """An sRGB profile in which the tags of the red and the green primary point at each other's values."""
    profile = bytearray(srgb)
    count = int.from_bytes(profile[128:132], "big")
    entries = {bytes(profile[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    profile[red + 4 : red + 12], profile[green + 4 : green + 12] = (
        profile[green + 4 : green + 12],
        profile[red + 4 : red + 12],
    )
    return bytes(profile)
