"""Every reason for which a file is not taken, and every remark, as a sentence a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

MAX_BYTES = 25 * 1024 * 1024

REFUSALS: Mapping[str, Promise] = {
    # what it is
    "empty": _("The file is empty. Save the picture again, then add it once more."),
    "svg": _("This is a drawing made of shapes (SVG). Export it as a PNG, 1024 pixels or larger."),
    "html": _("This is a web page, not a picture. Save the picture itself and add that."),
    "gif": _("GIF holds too few colours to learn from. Save the frame you want as a PNG."),
    "tiff": _("TIFF and camera raw files are not taken. Export it as a PNG or a JPEG."),
    "raw": _("Camera raw files are not taken. Export it as a PNG or a JPEG."),
    "psd": _("This is a Photoshop document. Export it as a PNG or a JPEG."),
    "eps": _("This is a PostScript drawing (EPS). Export it as a PNG, 1024 pixels or larger."),
    "pdf": _("This is a PDF. Export the page as a PNG, 1024 pixels or larger."),
    "archive": _("This is an archive. Unpack it and add the pictures in it."),
    "bmp": _("BMP is not taken. Save it as a PNG: nothing is lost."),
    "icon": _("This is an icon file. Save the picture as a PNG, 512 pixels or larger."),
    "jxl": _("JPEG XL is not taken yet. Export it as a PNG or a JPEG."),
    "jp2": _("JPEG 2000 is not taken. Export it as a PNG or a JPEG."),
    "video": _("This is a film or a sound. Save the frame you want as a PNG."),
    "not_a_picture": _("This is no picture, whatever its name says. JPEG, PNG, WebP, HEIC and AVIF are taken."),
    "no_decoder": _("This installation cannot open HEIC or AVIF. Export it as a JPEG or a PNG."),
    # its state
    "truncated": _("The file breaks off before its end. Copy it from where it came and add it again."),
    "broken": _("The file is damaged and cannot be opened. Save the picture again, then add it once more."),
    "unreadable": _("The file cannot be opened safely. Save the picture as a new PNG or JPEG and add that."),
    "too_heavy": _("Opening this file takes too much memory. Save it as a JPEG, or smaller, and add that."),
    "animated": _("This holds several pictures or moves. Save the one you want as a PNG."),
    "too_large": _("The file is larger than 25 MB. Save it as a JPEG, or smaller, and add that."),
    "too_many_pixels": _(
        "The picture has more than 50 megapixels. Make it smaller: 4096 pixels on the longer side is plenty."
    ),
    "too_small": _(
        "The picture is %(width)d × %(height)d. The shorter side must have at least %(least)d pixels: "
        "find a larger one."
    ),
    "too_long": _(
        "The picture is %(width)d × %(height)d, more than eight times as long as wide. Cut out the part that matters."
    ),
    "do_not_train": _(
        "The file carries its maker's mark “do not train” (C2PA). If you made it, export it without that mark."
    ),
    # the set
    "duplicate": _("This is already here as #%(of)d."),
    "twice": _("This file came twice in one go. It is here once."),
    "full": _("The set is full: %(most)d works are the most. Remove one to make room."),
}

REMARKS: Mapping[str, Promise] = {
    "small": _("Small: %(width)d × %(height)d. From 768 pixels on the shorter side, fine detail is learned too."),
    "blurred": _("Looks blurred. If it is not meant to be, add a sharper scan."),
    "near_duplicate": _("Almost the same as #%(of)d. Keep the better one: what comes twice is learned twice."),
}


def refusal(code: str, facts: Mapping[str, Any]) -> str:
    return str(REFUSALS.get(code, REFUSALS["unreadable"])) % facts


def remark(code: str, facts: Mapping[str, Any]) -> str:
    return str(REMARKS[code]) % facts
