"""From an icon's SVG to pictures: rasterising, placing on a background, encoding into latents."""

import io
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image

SIDE = 128
MIN_COVER = 0.03
"""Share of visible pixels below which a drawing is taken for broken."""

BACKGROUNDS = {
    "white": (255, 255, 255),
    "red": (226, 62, 56),
    "orange": (250, 145, 25),
    "yellow": (252, 216, 60),
    "green": (70, 160, 75),
    "light green": (175, 222, 150),
    "teal": (30, 150, 145),
    "blue": (35, 115, 220),
    "light blue": (165, 215, 248),
    "dark blue": (25, 45, 105),
    "purple": (130, 60, 175),
    "pink": (244, 155, 190),
    "brown": (125, 85, 60),
    "beige": (240, 225, 195),
    "gray": (145, 145, 148),
    "black": (22, 22, 24),
}
COLOURS = tuple(name for name in BACKGROUNDS if name != "white")


def rasterise(svg: str, side: int = SIDE) -> Image.Image | None:
    """The icon on a transparent square, or None where the drawing cannot be read."""
    import resvg_py  # only the making of the data needs it: it is no requirement of the engine

    try:
        png = resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side)
        picture = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    except (ValueError, OSError):
        return None
    picture = picture if picture.size == (side, side) else _centred(picture, side)
    cover = (np.asarray(picture)[..., 3] > 20).mean()
    return picture if cover >= MIN_COVER else None


def _centred(picture: Image.Image, side: int) -> Image.Image:
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (side, side))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


@dataclass(frozen=True)
class Placing:
    """How an icon sits in its picture."""

    background: str = "white"
    flip: bool = False
    scale: float = 1.0
    left: float = 0.5
    top: float = 0.5
    """Where the spare room goes, 0 … 1; 0.5 centres the icon."""
    tint: tuple[int, int, int] = (0, 0, 0)
    """Added to the background, so that `blue` means a range of blues."""


def placing(rng: Random, variant: int, plain_variants: int) -> Placing:
    """The first variant is the icon as drawn; further plain ones move and mirror it; the rest add a coloured ground."""
    if variant == 0:
        return Placing()
    moved = {"scale": rng.uniform(0.72, 1.0), "left": rng.uniform(0.25, 0.75), "top": rng.uniform(0.25, 0.75)}
    if variant < plain_variants:
        return Placing(flip=variant % 2 == 1, **moved)
    tint = (rng.randint(-14, 14), rng.randint(-14, 14), rng.randint(-14, 14))
    return Placing(background=rng.choice(COLOURS), flip=rng.random() < 0.5, tint=tint, **moved)


def compose(icon: Image.Image, place: Placing) -> Image.Image:
    """Lay the icon on its background: an RGB square of `SIDE` pixels."""
    red, green, blue = (
        max(0, min(255, value + shift)) for value, shift in zip(BACKGROUNDS[place.background], place.tint, strict=True)
    )
    side = round(SIDE * place.scale)
    icon = icon.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if place.flip else icon
    icon = icon if side == SIDE else icon.resize((side, side), Image.Resampling.LANCZOS)
    picture = Image.new("RGBA", (SIDE, SIDE), (red, green, blue, 255))
    picture.alpha_composite(icon, (round((SIDE - side) * place.left), round((SIDE - side) * place.top)))
    return picture.convert("RGB")
