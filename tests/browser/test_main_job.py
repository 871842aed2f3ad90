"""The main job, as a newcomer does it: from an empty machine to pictures in a style that was taught a minute ago.

One long test on purpose: each part needs what the part before it made.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import psutil
from PIL import Image
from playwright.sync_api import Page, expect

from tests.stack.running import RunningStack

EMAIL, PASSWORD = "newcomer@example.com", "a long enough phrase 7"
TRAINED_WITHIN = 420_000  # milliseconds, on two cores that the tests keep busy
PICTURE_WITHIN = 90_000


def sign_up(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Start").first.click()
    page.get_by_label("Email").fill(EMAIL)
    page.locator("input[name=password1]").fill(PASSWORD)
    page.locator("main form button").first.click()
    mailbox = page.context.new_page()
    mailbox.goto("/mail/")
    mailbox.locator("main a").first.click()
    code = re.search(r"^\s*([A-Z0-9]{4}-[A-Z0-9]{4})\s*$", mailbox.inner_text("main"), re.MULTILINE)
    assert code is not None, mailbox.inner_text("main")
    mailbox.close()
    page.locator("input[name=code]").fill(code.group(1))
    page.locator("main form button").first.click()
    page.wait_for_url("**/studio/")


def take_the_sample_set(page: Page) -> None:
    page.get_by_role("link", name="New style").first.click()
    page.get_by_role("button", name="Try it with a sample set").click()
    page.wait_for_url(re.compile(r"/styles/[0-9a-f-]{36}/"))
    expect(page.get_by_role("heading", name="24 works")).to_be_visible()


def train(page: Page) -> None:
    page.get_by_role("link", name="Training", exact=True).click()
    page.get_by_text("Advanced").click()
    page.get_by_label("Steps").fill("100")
    expect(page.locator("#offer")).to_contain_text("100 steps")
    expect(page.locator("#offer")).to_contain_text("20 credits")
    page.get_by_role("button", name="Train").click()
    expect(page.locator(".run-status")).to_be_visible()


def kill_the_engine(stack: RunningStack) -> None:
    worker = psutil.Process(stack.pid_of("gpu"))
    engines = [child for child in worker.children(recursive=True) if "gpu.engine" in " ".join(child.cmdline())]
    assert engines, "a running training has an engine"
    engines[0].kill()


def watch_it_learn(page: Page, stack: RunningStack) -> None:
    """It shows its phases without a reload, survives the death of its engine, and ends with two checkpoints."""
    title = page.locator("#run-title")
    expect(page.locator(".stops [data-samples]")).to_have_count(1, timeout=TRAINED_WITHIN)  # before training
    expect(title).to_have_text("Learning your hand", timeout=TRAINED_WITHIN)
    kill_the_engine(stack)
    expect(title).to_have_text("It has learned", timeout=TRAINED_WITHIN)
    expect(page.locator(".stops [data-samples]")).to_have_count(3)
    expect(page.locator(".checkpoints .done")).to_have_count(2)
    assert page.locator("[data-big]").evaluate("image => image.naturalWidth") == 128
    expect(page.locator(".chart svg .line")).to_have_count(1)


def export_the_version(page: Page, folder: Path) -> None:
    page.get_by_role("link", name="Choose the version").click()
    page.get_by_role("button", name="Export version 1").click()
    with page.expect_download() as download:
        page.locator("#export-1 a").first.click()
    weights = folder / download.value.suggested_filename
    download.value.save_as(weights)
    assert weights.suffix == ".safetensors"
    assert weights.stat().st_size > 10_000


def create_pictures(page: Page) -> None:
    page.locator("nav.tabs").get_by_role("link", name="Create").click()
    page.locator("#prompt").fill("a teapot")
    page.locator("label", has=page.locator("input[name=count][value='2']")).click()
    page.keyboard.press("Control+Enter")
    expect(page.locator("figure[id^=output-]")).to_have_count(2)
    expect(page.locator(".forming img[src^='data:image/webp']").first).to_be_attached(timeout=PICTURE_WITHIN)
    expect(page.locator(".forming")).to_have_count(0, timeout=PICTURE_WITHIN)
    expect(page.locator("figure[id^=output-] a")).to_have_count(2)


def look_into_the_gallery(page: Page, folder: Path) -> None:
    page.get_by_role("link", name="Gallery", exact=True).first.click()
    expect(page.locator("figure.image-tile")).to_have_count(2)
    page.locator("figure.image-tile a").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    download.value.save_as(folder / "picture.png")
    picture = Image.open(io.BytesIO((folder / "picture.png").read_bytes()))
    assert picture.size == (128, 128)
    assert "a teapot" in str(picture.info["parameters"])
    assert "Seed:" in str(picture.info["parameters"])


def test_a_newcomer_teaches_a_style_and_makes_pictures_in_it(page: Page, stack: RunningStack, tmp_path: Path) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    sign_up(page)
    take_the_sample_set(page)
    train(page)
    watch_it_learn(page, stack)
    export_the_version(page, tmp_path)
    create_pictures(page)
    look_into_the_gallery(page, tmp_path)

    assert complaints == []  # a breach of the content policy would be among them
