"""The public packages that the starter learns from, at exact versions, with their licences."""

import json
import re
import subprocess
import tarfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path

Svg = str

SUBJECTS_FILE = Path(__file__).parent / "subjects.txt"


@dataclass(frozen=True)
class Source:
    """One icon set: where it comes from, under which licence, and the word that names its look in captions."""

    style: str
    package: str
    version: str
    licence: str
    attribution: str
    held_out: bool = False
    """Never trained on: the set gives true pictures of the same subjects in a look that the base has not seen."""


SOURCES = (
    Source("noto", "@iconify-json/noto", "1.2.9", "Apache-2.0", "Noto Emoji, © Google LLC"),
    Source("blob", "@iconify-json/noto-v1", "1.2.5", "Apache-2.0", "Noto Emoji (first version), © Google LLC"),
    Source("firefox", "@iconify-json/fxemoji", "1.2.2", "Apache-2.0", "FxEmojis, © Mozilla Foundation"),
    Source("flat", "@iconify-json/fluent-emoji-flat", "1.2.6", "MIT", "Fluent Emoji, © Microsoft Corporation"),
    Source("twemoji", "@iconify-json/twemoji", "1.2.5", "CC-BY-4.0", "Twemoji, © Twitter, Inc. and other contributors"),
    Source("emojione", "@iconify-json/emojione", "1.2.3", "CC-BY-4.0", "Emoji One 2.3, © Emoji One, kept by EmojiTwo"),
    Source("streamline", "@iconify-json/streamline-emojis", "1.2.4", "CC-BY-4.0", "Streamline Emojis, © Streamline"),
    Source("openmoji", "@iconify-json/openmoji", "1.2.29", "CC-BY-SA-4.0", "OpenMoji, © the OpenMoji project", True),
    Source("stencil", "@iconify-json/fluent-emoji-high-contrast", "1.2.6", "MIT", "Fluent Emoji, © Microsoft", True),
)
NAMES = ("emojibase-data", "17.0.0")
"""English names of the code points (MIT), needed to match the sets that list no code points."""


def folder(packages: Path, name: str, version: str) -> Path:
    """The folder one package is unpacked into."""
    return packages / f"{name.lstrip('@').replace('/', '-')}-{version}"


def fetch(packages: Path) -> None:
    """Download and unpack every package that is not there yet."""
    for name, version in [(source.package, source.version) for source in SOURCES] + [NAMES]:
        fetch_package(packages, name, version)


def fetch_package(packages: Path, name: str, version: str) -> None:
    """One package, with `npm pack`."""
    target = folder(packages, name, version)
    if target.exists():
        return
    packages.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(
        ["npm", "pack", "--silent", f"{name}@{version}"], cwd=packages, check=True, capture_output=True, text=True
    )
    with tarfile.open(packages / packed.stdout.split()[-1]) as archive:
        archive.extractall(target.with_suffix(".part"), filter="data")
    (target.with_suffix(".part") / "package").rename(target)


def code_of(emoji: str) -> str:
    """The code points of an emoji, as the sets write them: lower-case hex, joined by hyphens, no variation selector."""
    return normal_code("-".join(f"{ord(sign):x}" for sign in emoji))


def normal_code(code: str) -> str:
    """Drop variation selectors and leading zeros, in which the sets differ."""
    return "-".join(part.lstrip("0") for part in code.lower().split("-") if part != "fe0f")


def read_subjects(path: Path = SUBJECTS_FILE) -> dict[str, str]:
    """Code points → plain name, in the order of the file."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("# ")]
    return {code_of(sign): name for sign, name in (line.split(" ", 1) for line in lines)}


def slug(name: str) -> str:
    """A name as icon sets spell it: `hot pepper` → `hot-pepper`."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def candidate_names(code: str, label: str, noto_name: str | None) -> list[str]:
    """The names under which a set without code points may file one emoji, most reliable first."""
    names = [slug(label)]
    if noto_name:
        names.append(noto_name)
    if "-" not in code:
        names.append(slug(unicodedata.name(chr(int(code, 16)), label)))
    return names + [name.replace("-", "") for name in names]


def read_pictures(packages: Path, source: Source, subjects: dict[str, str]) -> dict[str, Svg]:
    """Code points → SVG text, for every subject that the set holds."""
    icons = json.loads((folder(packages, source.package, source.version) / "icons.json").read_text())
    by_code = _names_by_code(packages, source)
    pictures: dict[str, Svg] = {}
    for code in subjects:
        for name in by_code.get(code, []):
            name = icons.get("aliases", {}).get(name, {}).get("parent", name)
            if name in icons["icons"]:
                pictures[code] = _svg(icons, icons["icons"][name])
                break
    return pictures


def _names_by_code(packages: Path, source: Source) -> dict[str, list[str]]:
    chars = _chars(packages, source)
    if chars:
        return {code: [name] for code, name in chars.items()}
    noto = _chars(packages, SOURCES[0])
    labels = json.loads((folder(packages, *NAMES) / "en" / "data.json").read_text())
    codes = {normal_code(entry["hexcode"]): entry["label"] for entry in labels}
    return {code: candidate_names(code, label, noto.get(code)) for code, label in codes.items()}


def _chars(packages: Path, source: Source) -> dict[str, str]:
    text = (folder(packages, source.package, source.version) / "chars.json").read_text()
    return {normal_code(code): name for code, name in json.loads(text).items()}


def _svg(icons: dict, icon: dict) -> Svg:
    left, top = icon.get("left", 0), icon.get("top", 0)
    width, height = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
    body = icon["body"].replace("currentColor", "#111")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}">{body}</svg>'
    )
