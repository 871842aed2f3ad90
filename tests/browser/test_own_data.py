"""A person's own data as they meet it: an archive is made and had, the account is closed and kept after all."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.stack.running import RunningStack

EMAIL = "own.data@example.com"


def test_somebody_takes_everything_along_closes_the_account_and_keeps_it(
    page: Page, stack: RunningStack, tmp_path: Path
) -> None:
    page.goto(stack.manage("signin_link", EMAIL, "--create").strip().splitlines()[-1])
    page.wait_for_url("**/studio/")
    page.goto("/settings/data/")
    page.get_by_role("button", name="Make my archive").click()
    with page.expect_download() as begun:
        page.get_by_role("link", name="Download it").click(timeout=60_000)  # it appears by itself
    begun.value.save_as(tmp_path / "archive.zip")
    with zipfile.ZipFile(tmp_path / "archive.zip") as archive:
        assert json.loads(archive.read("account/account.json"))["email"] == EMAIL

    page.get_by_label(re.compile("^Type")).fill("not this")
    page.get_by_role("button", name="Close my account").click()
    expect(page.locator("#closing-error")).to_contain_text("Type your email address")
    page.get_by_label(re.compile("^Type")).fill(EMAIL)
    page.get_by_role("button", name="Close my account").click()
    expect(page.locator("#closing-title")).to_contain_text("Your account closes on")

    page.goto("/gallery/")
    page.get_by_role("link", name="Download everything, or keep it").click()
    page.get_by_role("button", name="Keep my account").click()
    expect(page.get_by_role("button", name="Close my account")).to_be_visible()
    expect(page.locator(".banner")).to_have_count(0)
    expect(page.locator("#trail")).to_contain_text("Closing of the account taken back")
