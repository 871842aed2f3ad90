"""The visible mark of the free plan: a small wordmark in a corner, on a copy. The clean master is kept beside it.

Which of the two leaves the house is decided in `gallery.addresses`, each time anew: so a larger plan takes the mark off
everything at once, and a smaller one brings it back. A plan that marks makes no films, hence films are never marked.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache
from pathlib import Path, PurePosixPath

from PIL import Image, ImageFilter, ImageStat

from config.kit import media
from gallery import recipe as recipes
from gallery.models import Artwork

# How opaque the letters are: static/img/mark.svg and the name in Space Grotesk. The sign is its left square.
WORDMARK = Path(__file__).parent / "wordmark.png"
SHARE = 0.2  # of the picture's side (of a square of its area): seen, and not in the way
MOST = 0.45  # of the width, for pictures that stand very tall
LEGIBLE = 80  # pixels: a narrower wordmark cannot be read, and the sign stands alone
SIGN_SHARE, SIGN_LEAST = 0.07, 8
MARGIN = 0.025
INK, BREATH = 0.88, 0.6  # letters, and around them a breath of the opposite that carries them over a busy ground
DARK, LIGHT = (18, 18, 20), (255, 255, 255)
BRIGHT = 140  # of 255: on a brighter ground dark letters are seen better than light ones


def drawn(picture: Image.Image) -> Image.Image:
    """The picture, RGB, with the mark in its lower right corner."""
    letters = _letters(picture.width, picture.height)
    breath = max(1.0, letters.height / 8)
    edge = math.ceil(3 * breath)
    mask = Image.new("L", (letters.width + 2 * edge, letters.height + 2 * edge))
    mask.paste(letters, (edge, edge))
    margin = round(MARGIN * math.sqrt(picture.width * picture.height))
    left = picture.width - margin - letters.width - edge
    top = picture.height - margin - letters.height - edge
    halo = mask.filter(ImageFilter.GaussianBlur(breath))
    strongest = halo.getextrema()[1] or 1  # thin letters leave a thin breath: it is brought up to the same strength
    marked = picture.convert("RGB")
    ground = marked.crop((left, top, left + mask.width, top + mask.height)).convert("L")
    ink, paper = (DARK, LIGHT) if ImageStat.Stat(ground).mean[0] > BRIGHT else (LIGHT, DARK)
    marked.paste(paper, (left, top), halo.point(lambda value: min(255, round(value * 255 / strongest)) * BREATH))
    marked.paste(ink, (left, top), mask.point(lambda value: value * INK))
    return marked


def _letters(width: int, height: int) -> Image.Image:
    """The mark at the size that suits such a picture."""
    side = math.sqrt(width * height)
    whole = _wordmark()
    wide = round(min(SHARE * side, MOST * width))
    if wide >= LEGIBLE:
        return whole.resize((wide, round(wide * whole.height / whole.width)), Image.Resampling.LANCZOS)
    sign = whole.crop((0, 0, whole.height, whole.height))
    across = max(SIGN_LEAST, round(SIGN_SHARE * side))
    return sign.resize((across, across), Image.Resampling.LANCZOS)


@lru_cache(maxsize=1)
def _wordmark() -> Image.Image:
    with Image.open(WORDMARK, formats=["PNG"]) as image:
        return image.convert("L")


def marked_file(artwork: Artwork) -> str:
    """The key of the marked picture, made when it is first needed, with the same recipe inside."""
    if not artwork.marked_key:
        with media.open_file(artwork.key) as file, Image.open(file, formats=["PNG"]) as image:
            marked = drawn(image)
        out = io.BytesIO()
        marked.save(out, "PNG", compress_level=4)
        content = recipes.embedded(out.getvalue(), artwork.recipe)
        _remember(artwork, "marked_key", media.save(_beside(artwork.key, ".png"), content))
    return artwork.marked_key


def marked_thumb(artwork: Artwork) -> str:
    """The key of the marked thumbnail, which is large enough to be used. Made of the clean one: a wall of them is soon
    there."""
    if not artwork.marked_thumb_key:
        with media.open_file(artwork.thumb_key) as file, Image.open(file, formats=["WEBP"]) as image:
            marked = drawn(image)
        out = io.BytesIO()
        marked.save(out, "WEBP", quality=82, method=4, xmp=recipes.xmp())
        _remember(artwork, "marked_thumb_key", media.save(_beside(artwork.key, ".webp"), out.getvalue()))
    return artwork.marked_thumb_key


def _beside(key: str, suffix: str) -> str:
    path = PurePosixPath(key)
    return str(path.with_name(f"{path.stem}-marked{suffix}"))


def _remember(artwork: Artwork, column: str, key: str) -> None:
    Artwork.objects.filter(pk=artwork.pk).update(**{column: key})
    setattr(artwork, column, key)
