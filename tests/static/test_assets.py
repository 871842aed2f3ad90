"""The stylesheets, modules and vendored files as they lie in the repository."""

import json
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "static"
STYLESHEETS = sorted(STATIC.glob("css/**/*.css"))
RAW_COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgba?|hsla?|oklch|oklab)\((?!from )")
MAX_MODULE_LINES = 200


@pytest.mark.parametrize("path", [one for one in STYLESHEETS if one.name != "tokens.css"], ids=lambda one: one.name)
def test_a_stylesheet_holds_no_raw_colour(path: Path) -> None:
    assert not RAW_COLOUR.search(path.read_text())


def test_tokens_are_where_the_raw_colours_are() -> None:
    assert RAW_COLOUR.search((STATIC / "css" / "tokens.css").read_text())


@pytest.mark.parametrize("path", STYLESHEETS, ids=lambda one: one.name)
def test_a_stylesheet_uses_only_tokens_that_exist_or_are_set_by_data(path: Path) -> None:
    everything = "\n".join(one.read_text() for one in STYLESHEETS)
    script = (STATIC / "js" / "vars.js").read_text()
    names = re.search(r"NAMES = \[([^\]]+)\]", script)
    assert names
    known = set(re.findall(r"(--[a-z0-9-]+)\s*:", everything)) | {
        f"--{name}" for name in re.findall(r'"(\w+)"', names[1])
    }
    assert set(re.findall(r"var\((--[a-z0-9-]+)", path.read_text())) <= known


def test_every_block_is_imported() -> None:
    imported = set(re.findall(r'@import "(ui/[^"]+)"', (STATIC / "css" / "app.css").read_text()))
    assert imported == {f"ui/{one.name}" for one in STATIC.glob("css/ui/*.css")}


@pytest.mark.parametrize("folder", sorted(one for one in (STATIC / "vendor").iterdir()), ids=lambda one: one.name)
def test_what_is_vendored_carries_its_licence_and_version(folder: Path) -> None:
    assert list(folder.glob("LICENSE*"))
    assert re.search(r"\d+\.\d+\.\d+", (folder / "VERSION").read_text())


def test_fonts_and_icons_carry_their_licences() -> None:
    for font in STATIC.glob("fonts/*.woff2"):
        assert font.with_name(f"{font.stem}-LICENSE.txt").exists()
    assert (STATIC / "img" / "icons-LICENSE.txt").exists()


@pytest.mark.parametrize("path", sorted(STATIC.glob("js/*.js")), ids=lambda one: one.name)
def test_a_module_is_small_and_neither_evaluates_text_nor_writes_raw_html(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_MODULE_LINES
    assert not re.search(r"\beval\(|new Function|innerHTML|document\.write|setAttribute\(\"style", text)


def test_the_manifest_names_files_that_exist() -> None:
    manifest = json.loads((STATIC / "site.webmanifest").read_text())
    assert all((STATIC / icon["src"]).exists() for icon in manifest["icons"])
    assert {icon["sizes"] for icon in manifest["icons"]} >= {"192x192", "512x512"}
