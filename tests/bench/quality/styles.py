"""The styles of the benchmark: icon sets that the starter has never seen, each with true pictures of its subjects.

They are fetched with `npm pack` at exact versions, drawn here, and never committed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFont

from gpu.engine.starter import ANCHORS
from gpu.engine.starter.recipe import captions, draw, sources
from gpu.engine.starter.recipe.sources import Source

Pictures = dict[str, Image.Image]  # by code point, on white

LEARNED = 24  # references of a run, as in the product's quick start
TRIED = 24  # other subjects, which no run sees


@dataclass(frozen=True)
class Style:
    """One held-out look. `tuning` ones were used to choose our settings and are not reported as results."""

    name: str
    source: Source
    read: Callable[[Path, dict[str, str]], Pictures]
    tuning: bool = False


@dataclass(frozen=True)
class Task:
    """What a run gets and what it is tried on: true pictures of either, and the words for each code point."""

    learned: Pictures
    tried: Pictures
    others: Pictures  # true pictures of every subject that is not tried
    names: dict[str, str]

    def caption(self, code: str) -> str:
        return captions.with_article(self.names[code])


def load(style: Style, packages: Path) -> Task:
    """Fetches the style if need be and splits its subjects, the same way every time."""
    sources.fetch_package(packages, style.source.package, style.source.version)
    sources.fetch_package(packages, *sources.NAMES)
    sources.fetch_package(packages, sources.SOURCES[0].package, sources.SOURCES[0].version)  # helps to match names
    names = sources.read_subjects()
    pictures = style.read(sources.folder(packages, style.source.package, style.source.version), names)
    shuffled = Random(style.name).sample(sorted(pictures), len(pictures))
    learned = shuffled[:LEARNED]
    # nor any of those that our training is told by name
    strange = [code for code in shuffled[LEARNED:] if captions.with_article(names[code]) not in ANCHORS]
    tried = strange[:TRIED]
    return Task(
        learned={code: pictures[code] for code in learned},
        tried={code: pictures[code] for code in tried},
        others={code: picture for code, picture in pictures.items() if code not in tried},
        names=names,
    )


# --- how each package is drawn -----------------------------------------------------------------------------------


def _icons(style: str) -> Callable[[Path, dict[str, str]], Pictures]:
    """Sets of vector drawings, read as the starter's own recipe reads them."""

    def read(folder: Path, names: dict[str, str]) -> Pictures:
        svgs = sources.read_pictures(folder.parent, BY_NAME[style].source, names)
        icons = {code: draw.rasterise(svg) for code, svg in svgs.items()}
        return {code: draw.compose(icon, draw.Placing()) for code, icon in icons.items() if icon is not None}

    return read


def _rendered(folder: Path, names: dict[str, str]) -> Pictures:
    """A set of rendered pictures, one file a code point."""
    files = {sources.normal_code(path.stem): path for path in sorted((folder / "assets").glob("*.webp"))}
    pictures: Pictures = {}
    for code in names:
        if code in files:
            icon = Image.open(files[code]).convert("RGBA").resize((draw.SIDE, draw.SIDE), Image.Resampling.LANCZOS)
            pictures[code] = draw.compose(icon, draw.Placing())
    return pictures


def _glyphs(folder: Path, names: dict[str, str]) -> Pictures:
    """A font whose letters are drawings."""
    font = ImageFont.truetype(next(folder.glob("400Regular/*.ttf")), round(draw.SIDE * 0.8))
    missing = _glyph(font, "￿")
    pictures: Pictures = {}
    for code in names:
        if "-" in code:
            continue
        picture = _glyph(font, chr(int(code, 16)))
        if ImageChops.difference(picture, missing).getbbox():
            pictures[code] = picture
    return pictures


def _glyph(font: ImageFont.FreeTypeFont, sign: str) -> Image.Image:
    picture = Image.new("RGB", (draw.SIDE, draw.SIDE), "white")
    ImageDraw.Draw(picture).text((draw.SIDE / 2, draw.SIDE / 2), sign, font=font, fill=(17, 17, 17), anchor="mm")
    return picture


def _held_out(name: str) -> Source:
    return next(source for source in sources.SOURCES if source.style == name)


STYLES = (
    Style("openmoji", _held_out("openmoji"), _icons("openmoji")),
    Style("stencil", _held_out("stencil"), _icons("stencil")),
    Style(
        "clay",
        Source("clay", "@lobehub/fluent-emoji-3d", "1.1.0", "MIT", "Fluent Emoji 3D, © Microsoft Corporation"),
        _rendered,
    ),
    Style(
        "pen",
        Source("pen", "@expo-google-fonts/noto-emoji", "0.4.7", "OFL-1.1", "Noto Emoji, © Google LLC"),
        _glyphs,
    ),
    Style(
        "first",
        Source("first", "@iconify-json/emojione-v1", "1.2.3", "CC-BY-SA-4.0", "Emoji One (first version), © Emoji One"),
        _icons("first"),
        tuning=True,
    ),
    Style(
        "mono",
        Source("mono", "@iconify-json/emojione-monotone", "1.2.1", "CC-BY-4.0", "Emoji One monotone, © Emoji One"),
        _icons("mono"),
        tuning=True,
    ),
)
BY_NAME = {style.name: style for style in STYLES}
