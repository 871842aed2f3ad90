"""Collecting: one stylesheet, hashed names everywhere, and pages that stay light."""

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.management.commands.collectstatic import Command

from config.kit.staticfiles import StaticStorage, flatten

STATIC = Path(__file__).resolve().parents[2] / "static"
MOST_BYTES_OF_A_PAGE = 90_000
ALWAYS = ["css/app.css", "js/theme.js", "js/vars.js", "js/shell.js", "js/attach.js", "js/toast.js"]
LIVE = ["vendor/htmx/htmx.min.js", "vendor/htmx/ws.min.js", "js/live.js", "js/ranges.js"]


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static files as `collectstatic` leaves them."""
    root = tmp_path_factory.mktemp("static")
    command = Command(no_color=True)
    command.set_options(
        interactive=False, verbosity=0, link=False, clear=False, dry_run=False, ignore_patterns=[],
        use_default_ignore_patterns=True, post_process=True,
    )  # fmt: skip
    command.storage = StaticStorage(location=str(root), base_url="/static/")
    command.collect()
    return root


def test_imports_are_replaced_by_what_they_import_in_the_same_order() -> None:
    files = {
        "css/app.css": '@layer a, b;\n@import "one.css";\n@import "ui/two.css";\n',
        "css/one.css": '/* gone */\n@layer a { p { background: url("../img/x.png") } }',
        "css/ui/two.css": '@layer b { i { background: url(../../img/y.png) } b { background: url("data:,") } }',
    }
    css = flatten("css/app.css", files.__getitem__)
    assert "@import" not in css
    assert "gone" not in css
    assert css.index("@layer a, b;") < css.index("@layer a {") < css.index("@layer b {")
    assert 'url("../img/x.png")' in css
    assert 'url("../img/y.png")' in css
    assert 'url("data:,")' in css


def test_collecting_flattens_the_stylesheet_and_hashes_its_fonts(collected: Path) -> None:
    [name] = list(collected.glob("css/app.*.css"))
    css = name.read_text()
    assert "@import" not in css
    assert css.startswith("@layer tokens, base, layout, ui;")
    assert re.search(r'url\("\.\./fonts/inter\.[0-9a-f]{12}\.woff2"\)', css)


def test_collected_modules_import_hashed_modules(collected: Path) -> None:
    [shell] = list(collected.glob("js/shell.*.js"))
    imports = re.findall(r'^import .* from "(.+)";$', shell.read_text(), re.MULTILINE)
    assert imports
    assert all((collected / "js" / name).exists() and re.search(r"\.[0-9a-f]{12}\.js$", name) for name in imports)


@pytest.mark.parametrize("page", ["create", "training", "dropzone", "gallery", "settings"])
def test_styles_and_scripts_of_a_page_stay_under_90_kilobytes(collected: Path, page: str) -> None:
    files = {*ALWAYS, *LIVE, f"js/{page}.js"}
    weight = sum(len(gzip.compress((collected / name).read_bytes(), 6)) for name in files)
    assert weight < MOST_BYTES_OF_A_PAGE


def test_the_site_is_served_with_this_storage() -> None:
    from config.settings import base

    assert base.STORAGES["staticfiles"]["BACKEND"] == "config.kit.staticfiles.StaticStorage"
