"""A picture small enough to travel with an event. No torch."""

from __future__ import annotations

import base64
import io

from PIL import Image

PREVIEW_SIDE = 384  # pixels of the longer side at most
PREVIEW_BYTES = 16_000


def as_preview(picture: Image.Image) -> str:
    """A small WebP, base64, at most 16 kB decoded."""
    small = picture.copy()
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    for quality in (80, 60, 40, 20):
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=quality, method=2)
        if buffer.tell() <= PREVIEW_BYTES:
            break
        small.thumbnail((small.width * 3 // 4, small.height * 3 // 4))
    return base64.b64encode(buffer.getvalue()).decode()
