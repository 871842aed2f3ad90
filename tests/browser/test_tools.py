"""Going on from a picture as an artist does: a part is changed, an edge extended, all enlarged; one line of descent.

One long test on purpose: each part needs what the part before it made.
"""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from tests.stack.running import RunningStack

EMAIL = "tools@example.com"
WITHIN = 90_000  # milliseconds for one picture, on two cores that the tests keep busy


def sign_in(page: Page, stack: RunningStack) -> None:
    page.goto(stack.manage("signin_link", EMAIL, "--create").strip().splitlines()[-1])
    page.wait_for_url("**/studio/")


def how_many(page: Page, count: int) -> None:
    page.locator("label", has=page.locator(f"input[name=count][value='{count}']")).click()


def made(page: Page) -> str:
    """Press the button, wait for the newest picture, and answer with its id."""
    before = page.locator(".batch").count()
    page.locator("#go").click()
    expect(page.locator(".batch")).to_have_count(before + 1)
    link = page.locator(".batch").first.locator("figure a")
    expect(link).to_be_visible(timeout=WITHIN)
    found = re.search(r"[0-9a-f-]{36}", link.get_attribute("href") or "")
    assert found
    return found[0]


def box_of(part: Locator) -> dict[str, float]:
    part.scroll_into_view_if_needed()
    box = part.bounding_box()
    assert box
    return dict(box)


def drag(page: Page, part: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """With the mouse, from one place of a part to another, both as shares of its sides."""
    box = box_of(part)
    page.mouse.move(box["x"] + start[0] * box["width"], box["y"] + start[1] * box["height"])
    page.mouse.down()
    for step in (0.3, 0.7, 1.0):
        x, y = (start[axis] + step * (end[axis] - start[axis]) for axis in (0, 1))
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.mouse.up()


def marked(page: Page) -> int:
    """How much of the picture the page says is marked, in percent."""
    place = page.locator("[data-marked]")
    expect(place).to_have_text(re.compile(r"^\d+ % is marked$"))
    return int(re.sub(r"\D", "", place.inner_text()))


def paint_and_think_again(page: Page) -> None:
    """The brush, undo and redo, the eraser, and a rectangle by numbers without any pointer."""
    canvas = page.locator("[data-mask] canvas")
    drag(page, canvas, (0.3, 0.5), (0.7, 0.5))
    stroke = marked(page)
    assert 3 <= stroke <= 20
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-marked]")).to_have_text("Nothing is marked yet")
    page.get_by_role("button", name="Redo").click()
    expect(page.locator("[data-marked]")).to_have_text(f"{stroke} % is marked")
    page.get_by_role("button", name="Swap marked and unmarked").click()
    expect(page.locator("[data-marked]")).to_have_text(f"{100 - stroke} % is marked")
    page.keyboard.press("Control+z")
    expect(page.locator("[data-marked]")).to_have_text(f"{stroke} % is marked")
    page.get_by_text("Mark by numbers").click()
    for name, value in (("From the left", "0"), ("From the top", "0"), ("Width", "128"), ("Height", "64")):
        page.get_by_label(name, exact=True).fill(value)
    page.get_by_role("button", name="Mark", exact=True).click()
    expect(page.locator("[data-marked]")).to_have_text(re.compile(r"^5\d % is marked$"))
    page.locator("label", has=page.locator("[name=mask-tool][value=erase]")).click()
    drag(page, canvas, (0.1, 0.2), (0.9, 0.2))
    expect(page.locator("[data-marked]")).to_have_text(re.compile(r"^4\d % is marked$"))


def paint_with_a_finger(chromium: Browser, page: Page, stack: RunningStack, source: str) -> None:
    """On a phone, where the same canvas hears touches."""
    phone = chromium.new_context(
        base_url=stack.url,
        viewport={"width": 360, "height": 740},
        has_touch=True,
        is_mobile=True,
        storage_state=page.context.storage_state(),
    )
    touched = phone.new_page()
    touched.goto(f"/create/inpaint/?source={source}")
    box = box_of(touched.locator("[data-mask] canvas"))
    finger = phone.new_cdp_session(touched)
    across = [{"x": box["x"] + box["width"] * share, "y": box["y"] + box["height"] / 2} for share in (0.2, 0.5, 0.8)]
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": across[:1]})
    for point in across[1:]:
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert 3 <= marked(touched) <= 25
    assert not touched.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
    phone.close()


def change_a_part(page: Page, chromium: Browser, stack: RunningStack, source: str) -> str:
    page.goto(f"/gallery/{source}/")
    page.get_by_role("link", name="Change a part").click()
    paint_with_a_finger(chromium, page, stack, source)
    page.locator("#go").click()
    expect(page.locator("#dock-error")).to_contain_text("Paint over what is to be drawn anew")
    paint_and_think_again(page)
    how_many(page, 1)
    return made(page)


def extend(page: Page, source: str) -> str:
    """By the edge, then by the keyboard; what the frame says is what comes."""
    page.goto(f"/create/outpaint/?source={source}")
    size = page.locator("[data-size]")
    expect(size).to_have_text("128 × 128 pixels")
    edge = page.get_by_role("slider", name="Right")
    grip, picture = box_of(edge), box_of(page.locator(".frame-box img"))
    page.mouse.move(grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2)
    page.mouse.down()
    page.mouse.move(grip["x"] + grip["width"] / 2 + picture["width"] / 4, grip["y"] + grip["height"] / 2, steps=4)
    page.mouse.up()
    expect(size).to_have_text("160 × 128 pixels")
    page.get_by_role("slider", name="Bottom").press("ArrowDown")
    expect(size).to_have_text("160 × 160 pixels")
    expect(page.get_by_label("Bottom", exact=True).and_(page.locator("input"))).to_have_value("32")
    page.get_by_role("button", name="Back").click()
    expect(size).to_have_text("128 × 128 pixels")
    page.get_by_role("button", name="3:2").click()
    expect(size).to_have_text("192 × 128 pixels")
    how_many(page, 1)
    return made(page)


def enlarge(page: Page, source: str) -> str:
    page.goto(f"/create/upscale/?source={source}")
    expect(page.locator(".two-lines").first).to_contain_text("384 × 256")
    expect(page.locator("#go")).to_contain_text("1 credit")
    page.locator("#strength").fill("0")
    expect(page.get_by_text("Only enlarge: nothing is drawn.")).to_be_visible()
    return made(page)


def generations(stack: RunningStack) -> list[dict[str, Any]]:
    token = stack.manage("api_token", EMAIL).strip().splitlines()[-1].split()[-1]
    asked = urllib.request.Request(f"{stack.url}/api/v1/generations", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked) as answer:
        items: list[dict[str, Any]] = json.load(answer)["items"]
    return items


def test_an_artist_goes_on_from_a_picture(page: Page, chromium: Browser, stack: RunningStack) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    sign_in(page, stack)
    page.goto("/create/")
    page.locator("#prompt").fill("a red fox in the snow")
    how_many(page, 1)
    line = [made(page)]
    line.append(change_a_part(page, chromium, stack, line[-1]))
    line.append(extend(page, line[-1]))
    line.append(enlarge(page, line[-1]))

    asked = generations(stack)[::-1]
    assert [one["tool"] for one in asked] == ["text_to_image", "inpaint", "outpaint", "upscale"]
    assert [one["artworks"][0]["id"] for one in asked] == line
    assert [one["source"] and one["source"]["id"] for one in asked] == [None, *line[:-1]]
    assert [(one["artworks"][0]["width"], one["artworks"][0]["height"]) for one in asked] == [
        (128, 128), (128, 128), (192, 128), (384, 256),
    ]  # fmt: skip
    # the refusal on purpose answers 422, which the browser notes; nothing else may complain
    assert [say for say in complaints if "422" not in say] == []
