"""What every template of the site must hold to, because the content policy and the icon sprite allow nothing else."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.template import engines

from config.kit.icons import icon_names

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*.html"))
NAMES = [str(path.relative_to(ROOT / "templates")) for path in TEMPLATES]
# mail programs know little but inline styles, and our content policy does not reach them
PAGES = [path for path in TEMPLATES if not {"mail", "email"} & {part.name for part in path.parents}]

STYLE = re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE)
HANDLER = re.compile(r"<[^>]*\s(?:on[a-z]+|hx-on[:a-z-]*)\s*=", re.IGNORECASE)
SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.IGNORECASE | re.DOTALL)
DJANGO = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
ICON = re.compile(r"""{%\s*icon\s+["']([^"']+)["']""")


@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(ROOT / "templates")) for path in PAGES])
def test_a_template_carries_no_style_attribute_and_no_style_element(path: Path) -> None:
    text = DJANGO.sub("", path.read_text())
    assert not STYLE.search(text)
    assert "<style" not in text


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_a_template_carries_no_inline_handler_or_script(path: Path) -> None:
    text = DJANGO.sub("", path.read_text())
    assert not HANDLER.search(text)
    assert "javascript:" not in text
    for attributes, body in SCRIPT.findall(text):
        data = 'type="application/json"' in attributes
        assert data or ("src=" in attributes and not body.strip())


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_every_icon_a_template_names_is_drawn(path: Path) -> None:
    assert set(ICON.findall(path.read_text())) <= icon_names()


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_a_template_parses_and_keeps_its_comments_to_itself(path: Path) -> None:
    text = path.read_text()
    engines["django"].from_string(text)
    # a {# comment #} ends on its own line; a longer one would be shown to people
    assert all("#}" in line for line in text.splitlines() if "{#" in line)


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_every_static_file_a_template_names_exists(path: Path) -> None:
    named = re.findall(r"""{%\s*static\s+["']([^"']+)["']""", path.read_text())
    assert [name for name in named if not finders.find(name)] == []


def test_the_rules_find_what_they_forbid() -> None:
    assert STYLE.search('<p class="a" style="color: red">')
    assert HANDLER.search('<button type="button" onclick="go()">')
    assert HANDLER.search('<button hx-on:click="go()">')
    assert not HANDLER.search('<a class="once" data-one="1">')
    assert ICON.findall('{% icon "check" %}{% icon \'x\' "lg" %}') == ["check", "x"]
