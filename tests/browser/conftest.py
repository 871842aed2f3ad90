"""A real Chromium on a real `make run`, both started once for all browser tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from config.stack.chromium import find_chromium
from tests.stack.running import RunningStack, running_stack

_ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The whole product, as `make run` starts it, with an empty folder of its own."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=_ARGUMENTS, chromium_sandbox=False, headless=True
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, stack: RunningStack) -> Iterator[Page]:
    """A new visitor's page: relative addresses lead to the stack."""
    context = chromium.new_context(base_url=stack.url, viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()
