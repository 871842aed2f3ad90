"""Everybody's ways in, in a real browser: Google, Discord, a code from an app, a passkey; and out again, everywhere.

The stack of these tests is told that a server of the tests is Google and Discord (tests/fakes/providers.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.accounts.signing_in import code_of
from tests.fakes.providers import running_providers
from tests.stack.running import RunningStack, running_stack


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack that knows both providers."""
    folder = tmp_path_factory.mktemp("doors")
    with running_providers() as providers, running_stack(folder, **providers.variables) as running:
        yield running


@contextmanager
def visitor(chromium: Browser, doors: RunningStack) -> Iterator[Page]:
    """A browser of their own; what its console complained of fails the test."""
    context = chromium.new_context(base_url=doors.url, viewport={"width": 1280, "height": 800})
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert complaints == []


def allow(page: Page, email: str, name: str) -> None:
    """On the provider's page."""
    page.get_by_label("Email").fill(email)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Allow").click()


def come_by(page: Page, provider: str, email: str, name: str, *, door: str = "login") -> None:
    page.goto(f"/accounts/{door}/")
    page.get_by_role("button", name=f"Continue with {provider}").click()
    expect(page.get_by_role("heading", name=f"Sign in with {provider}")).to_be_visible()
    allow(page, email, name)


def in_the_studio(page: Page) -> None:
    page.wait_for_url("**/studio/")


def sign_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.locator("main").get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile(r"/$"))


def test_a_stranger_signs_up_with_google_comes_again_and_connects_discord(
    chromium: Browser, doors: RunningStack
) -> None:
    with visitor(chromium, doors) as page:
        page.goto("/accounts/login/")
        page.get_by_role("button", name="Continue with Google").click()
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("heading", name="You turned back.")).to_be_visible()

        come_by(page, "Google", "ines@example.com", "Ines Moreau", door="signup")
        in_the_studio(page)
        sign_out(page)
        come_by(page, "Google", "ines@example.com", "Ines Moreau")
        in_the_studio(page)

        page.goto("/settings/security/")
        page.locator("#accounts .switch", has_text="Discord").get_by_role("link", name="Connect").click()
        page.get_by_role("button", name="Connect Discord").click()
        allow(page, "ines@discord.example.com", "Ines on Discord")
        expect(page.get_by_role("button", name="Disconnect Discord")).to_be_visible()
        sign_out(page)

        come_by(page, "Discord", "ines@discord.example.com", "Ines on Discord")
        in_the_studio(page)
        page.goto("/settings/security/")
        expect(page.locator("#security")).to_contain_text("ines@example.com")


def test_another_signs_up_with_discord_and_protects_the_account_with_an_app_and_a_passkey(
    chromium: Browser, doors: RunningStack
) -> None:
    with visitor(chromium, doors) as page:
        come_by(page, "Discord", "jo@example.com", "Jo", door="signup")
        in_the_studio(page)
        secret, recovery = turn_on_the_app(page)
        sign_out(page)

        come_by(page, "Discord", "jo@example.com", "Jo")
        expect(page.get_by_role("heading", name="One more step.")).to_be_visible()
        page.get_by_label("Code").fill("000000")
        page.locator("main").get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("That code is not right.")).to_be_visible()
        page.get_by_label("Code").fill(code_of(secret, lasts=6))
        page.locator("main").get_by_role("button", name="Sign in").click()
        in_the_studio(page)

        device_with_passkeys(page.context, page)
        page.goto("/accounts/2fa/webauthn/add/")
        add_a_passkey(page, recovery)
        sign_out(page)

        page.goto("/accounts/login/")
        page.get_by_role("button", name="Sign in with a passkey").click()
        in_the_studio(page)

        sign_out(page)
        come_by(page, "Discord", "jo@example.com", "Jo")
        page.get_by_role("button", name="Use a passkey").click()
        in_the_studio(page)
        ends_everywhere(chromium, doors, page)


def turn_on_the_app(page: Page) -> tuple[str, str]:
    """The app's secret, and a recovery code."""
    page.goto("/settings/security/")
    page.locator("#security .switch", has_text="Code from an app").get_by_role("link").click()
    expect(page.get_by_role("img", name="A QR code")).to_be_visible()
    secret = page.locator("#totp-secret").inner_text()
    page.get_by_label("Authenticator code").fill(code_of(secret, lasts=6))
    page.get_by_role("button", name="Turn on").click()
    codes = page.locator("#recovery-codes li")
    expect(codes).to_have_count(10)
    return secret, codes.first.inner_text()


def device_with_passkeys(context: BrowserContext, page: Page) -> None:
    """A device that keeps passkeys and knows its person by touch, as a phone does."""
    device = context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def add_a_passkey(page: Page, recovery: str) -> None:
    """Behind “is it still you?”."""
    expect(page.get_by_role("heading", name="Is it still you?")).to_be_visible()
    page.get_by_label("Code").fill(recovery)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name").fill("This laptop")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("heading", name="The second step")).to_be_visible()
    page.goto("/accounts/2fa/webauthn/")
    expect(page.get_by_role("rowheader", name="This laptop")).to_be_visible()


def ends_everywhere(chromium: Browser, doors: RunningStack, page: Page) -> None:
    """From one browser out of all: the other's next click finds the door."""
    with visitor(chromium, doors) as other:
        come_by(other, "Google", "ines@example.com", "Ines Moreau")
        in_the_studio(other)
        second = chromium.new_context(base_url=doors.url).new_page()
        come_by(second, "Google", "ines@example.com", "Ines Moreau")
        in_the_studio(second)
        second.goto("/accounts/sessions/")
        expect(second.locator(".sessions li")).not_to_have_count(1)
        second.get_by_role("button", name="Sign out everywhere").click()
        second.wait_for_url("**/accounts/login/")
        other.goto("/settings/")
        expect(other.get_by_role("heading", name="Come in.")).to_be_visible()
        second.context.close()
    page.goto("/settings/")
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
