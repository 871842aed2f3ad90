"""A stranger becomes a customer: in by Google, out of credits, a plan at Checkout, its credits by webhook, and the end.

The stack of this test has Google by the tests' own server and Stripe by its double (`make run STRIPE=double`). One long
test on purpose: each part needs what the part before it made.
"""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.fakes.providers import running_providers
from tests.stack.running import RunningStack, running_stack

EMAIL = "ines@example.com"
TRAINED_WITHIN = 420_000  # milliseconds, on two cores that the tests keep busy
PAID_WITHIN = 30_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack that sells, with a door for those who come from Google."""
    with running_providers() as providers:
        google = {"GOOGLE_CLIENT_ID": "tests", "GOOGLE_CLIENT_SECRET": "tests", "GOOGLE_URL": providers.google}
        with running_stack(tmp_path_factory.mktemp("shop"), STRIPE="double", **google) as running:
            yield running


@pytest.fixture
def page(chromium: Browser, shop: RunningStack) -> Iterator[Page]:
    context = chromium.new_context(base_url=shop.url, viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


def sign_up_with_google(page: Page) -> None:
    page.goto("/accounts/signup/")
    page.get_by_role("button", name="Continue with Google").click()
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Name").fill("Ines Moreau")
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url("**/studio/")


def balance(page: Page) -> int:
    page.goto("/credits/")
    spendable = page.locator("dl div", has_text="Credits to spend").locator("dd").first
    return int(spendable.inner_text().replace(",", ""))


def take_the_sample_set(page: Page) -> str:
    """The address of the new style's training page."""
    page.goto("/styles/new/")
    page.get_by_role("button", name="Try it with a sample set").click()
    page.wait_for_url(re.compile(r"/styles/[0-9a-f-]{36}/"))
    page.get_by_role("link", name="Training", exact=True).click()
    return page.url


def choose(page: Page, quality: str, credits: str) -> None:
    """As few steps as there may be: what is tried here is the money."""
    page.locator("label", has=page.locator(f"input[name=quality][value={quality}]")).first.click()
    page.get_by_text("Advanced").click()
    page.get_by_label("Steps").fill("100")
    expect(page.locator("#offer")).to_contain_text("100 steps")
    expect(page.locator("#offer")).to_contain_text(credits)


def ask_for(page: Page, quality: str, credits: str) -> None:
    choose(page, quality, credits)
    page.get_by_role("button", name="Train").click()


def spend_most_of_the_free_credits(page: Page) -> None:
    """A standard training; each of its four checkpoints is on the bill."""
    ask_for(page, "standard", "40 credits")
    expect(page.locator("#run-title")).to_have_text("It has learned", timeout=TRAINED_WITHIN)
    assert balance(page) == 10
    line = page.locator(".ledger li", has_text="Training").first
    line.locator("summary").click()
    expect(line).to_contain_text("checkpoint 4 of 4")


def run_out(page: Page, training: str) -> None:
    """Ten are left and twenty are wanted: that is said before the press, with what helps."""
    page.goto(training)
    choose(page, "quick", "20 credits")
    expect(page.get_by_text("This costs 20 credits and you have 10.")).to_be_visible()
    expect(page.get_by_role("button", name="Train")).to_be_disabled()
    page.get_by_role("link", name=re.compile("Starter")).first.click()
    page.wait_for_url("**/pricing/**")


def buy_the_plan(page: Page) -> None:
    """At Checkout with a test card; the page afterwards waits for Stripe's word and shows it."""
    page.locator("#plan-starter").get_by_role("button").click()
    expect(page.get_by_role("heading", name="Subscribe")).to_be_visible()
    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_role("button", name=re.compile(r"^Subscribe \$")).click()
    page.wait_for_url("**/credits/purchases/**")
    expect(page.get_by_role("heading", name="You are on Starter.")).to_be_visible(timeout=PAID_WITHIN)


def train_again(page: Page) -> None:
    """Back where the credits ran out, with enough of them; it is stopped, for it is the money that is tried."""
    page.get_by_role("link", name="Go on").click()
    ask_for(page, "quick", "20 credits")
    expect(page.locator("#run-title")).to_be_visible()
    expect(page.locator(".run-status")).to_be_visible()


def cancel_the_plan(page: Page) -> None:
    page.goto("/credits/billing/")
    page.get_by_role("button", name="Cancel the plan").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the plan").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()


def a_month_goes_by(shop: RunningStack) -> None:
    """On Stripe's clock: the period ends, and Stripe says so by webhook."""
    port = json.loads((shop.state_dir / "stripe-double.json").read_text())["port"]
    asked = urllib.request.Request(
        f"http://localhost:{port}/double/clock",
        data=json.dumps({"days": 32}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        assert answer.status == 200


def see_it_end(page: Page) -> None:
    """The plan is over; what was bought and made is still there."""
    plan = page.locator("dl.bill div", has=page.get_by_text("Plan", exact=True)).first
    for _attempt in range(30):
        page.goto("/credits/billing/")
        if "Free" in plan.inner_text():
            break
        page.wait_for_timeout(1000)
    expect(plan).to_contain_text("Free")
    expect(page.locator("#invoices tbody tr")).to_have_count(1)
    assert balance(page) >= 290  # 10 + 300, less what the second training cost


def test_a_stranger_runs_out_buys_a_plan_trains_and_sees_the_plan_end(page: Page, shop: RunningStack) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    sign_up_with_google(page)
    assert balance(page) == 50
    training = take_the_sample_set(page)
    spend_most_of_the_free_credits(page)
    run_out(page, training)
    buy_the_plan(page)
    assert balance(page) == 310
    page.go_back()
    train_again(page)
    cancel_the_plan(page)
    a_month_goes_by(shop)
    see_it_end(page)

    audit = json.loads(shop.manage("credits", "audit").strip().splitlines()[-1])
    assert (audit["drift"], audit["unresolved_holds_without_job"]) == (0, 0)
    assert complaints == []
