"""The part of a picture that is made anew: white is drawn, black stays."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from django.core.files import File
from django.utils.translation import gettext as _
from PIL import Image

from accounts.models import User
from config.kit import media
from config.kit.errors import Refusal
from generation import sources
from generation.models import Request
from gpu.engine.catalogue import Size
from styles.intake import pixels

WHITE = 128  # of 255: from here on a point counts as marked when it is asked whether there is anything to do


def read(owner: User, data: Mapping[str, Any], size: Size) -> bytes:
    """A grey PNG of exactly `size`. Raises a Refusal with a sentence.

    The mask comes as a file, as a data URI, as the id of an upload, or as the id of an earlier request, whose mask it
    then is.
    """
    mask = _opened(owner, data.get("mask"))
    if mask.size != size:
        say = _("The mask is %(mw)d × %(mh)d pixels and the picture %(w)d × %(h)d. Make them the same size.")
        values = {"mw": mask.width, "mh": mask.height, "w": size[0], "h": size[1]}
        raise Refusal(say % values, code="mask_size", field="mask")
    marked = np.asarray(mask) >= WHITE
    if not marked.any():
        say = _("Nothing is marked. Paint over what is to be drawn anew: white in the mask is drawn, black stays.")
        raise Refusal(say, code="mask_empty", field="mask")
    if marked.all():
        say = _("Everything is marked, so nothing would stay. Leave some of the picture, or make a variation of it.")
        raise Refusal(say, code="mask_full", field="mask")
    out = io.BytesIO()
    mask.save(out, "PNG")
    return out.getvalue()


def _opened(owner: User, value: Any) -> Image.Image:
    file = value if isinstance(value, File) else sources.from_data_uri(value)
    if file is not None:
        return pixels.read(file, field="mask").convert("L")
    if not value:
        raise Refusal(_("Paint over what is to be drawn anew."), code="mask_missing", field="mask")
    key = _earlier(owner, value)
    if not key and (found := sources.find(owner, value)):
        key = found.key
    if not media.exists(key):
        say = _("The mask is a data URI, an uploaded file, or the id of one. This is neither.")
        raise Refusal(say, code="mask_missing", field="mask")
    with media.open_file(key) as stored, Image.open(stored, formats=["PNG"]) as image:  # we wrote it
        return image.convert("L")


def _earlier(owner: User, value: Any) -> str:
    request = sources.request_named(owner, value)
    return request.mask_key if request else ""


def data_uri(request: Request) -> str:
    """The mask of an earlier request, to go on from; "" where it had none."""
    if not media.exists(request.mask_key):
        return ""
    return f"data:image/png;base64,{base64.b64encode(media.read(request.mask_key)).decode()}"


def key_of(request: Request) -> str:
    return f"requests/{request.public_id}/mask.png"
