"""Google and Discord of our own, for the tests of signing in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from allauth.socialaccount.providers.discord.views import DiscordOAuth2Adapter
from allauth.socialaccount.providers.google import views as google

from accounts.providers import speak_to_discord_at, speak_to_google_at
from tests.fakes.providers import Providers, running_providers

CHANGED = [
    (google.GoogleOAuth2Adapter, ("authorize_url", "access_token_url", "identity_url", "id_token_issuer")),
    (google, ("ID_TOKEN_ISSUER", "CERTS_URL")),
    (DiscordOAuth2Adapter, ("authorize_url", "access_token_url", "profile_url")),
]


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Providers]:
    """Both, running, and the product sent to them."""
    for owner, names in CHANGED:
        for name in names:  # noted, so that it is put back
            monkeypatch.setattr(owner, name, getattr(owner, name))
    with running_providers() as running:
        speak_to_google_at(running.google)
        speak_to_discord_at(running.discord)
        yield running
