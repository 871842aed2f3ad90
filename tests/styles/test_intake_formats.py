import pytest
from PIL import Image, ImageCms, ImageOps

from config.kit import media
from styles import actions
from tests.builders import make_style
from tests.styles.intake import accepted, copy_of, difference, take
from tests.styles.pictures import encoded, jpeg, painting, upload

pytestmark = pytest.mark.django_db


def test_it_takes_a_plain_picture():
    reference = accepted(take(make_style(), jpeg(), "red_fox_in_snow.jpg"))
    assert (reference.width, reference.height, reference.position) == (1000, 800, 1)
    assert reference.caption == "red fox in snow"
    assert reference.verdict == "accepted"
    assert copy_of(reference).size == (1000, 800)


def test_it_reads_every_format_that_is_taken():
    kinds = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF")
    files = [upload(encoded(painting(seed, (600, 600)), kind), kind) for seed, kind in enumerate(kinds)]
    for seed, verdict in enumerate(actions.add_references(style=make_style(), files=files)):
        copy = copy_of(accepted(verdict))
        assert copy.format == "JPEG"
        assert difference(copy, painting(seed, (600, 600))) < 12


def test_it_turns_a_photograph_upright():
    upright = painting(7, (900, 600))
    turned = {
        1: upright,
        2: ImageOps.mirror(upright),
        3: upright.rotate(180),
        4: ImageOps.flip(upright),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }
    files = []
    for orientation, image in turned.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        files.append(upload(encoded(image, "JPEG", quality=95, exif=exif), f"{orientation}.jpg"))
    for verdict in actions.add_references(style=make_style(), files=files):
        reference = accepted(verdict)
        assert (reference.width, reference.height) == (900, 600)
        assert difference(copy_of(reference), upright) < 6, reference.filename


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


def test_it_converts_a_pictures_own_colour_space_to_srgb():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = encoded(painting(3), "PNG", icc_profile=_with_red_and_green_swapped(srgb))
    red, green, blue = painting(3).split()
    copy = copy_of(accepted(take(make_style(), content, "wide.png")))
    assert difference(copy, Image.merge("RGB", (green, red, blue))) < 6


def test_a_broken_colour_profile_is_as_good_as_none():
    reference = accepted(take(make_style(), encoded(painting(4), "JPEG", quality=95, icc_profile=b"not a profile")))
    assert difference(copy_of(reference), painting(4)) < 6


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
        assert difference(copy, image.convert("RGB")) < 12


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


def _with_red_and_green_swapped(srgb: bytes) -> bytes:
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
