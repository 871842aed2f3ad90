"""Where Google and Discord are. allauth knows their own addresses; for trying out, another server can be them."""

from __future__ import annotations

from allauth.socialaccount.providers.discord.views import DiscordOAuth2Adapter
from allauth.socialaccount.providers.google import views as google
from allauth.socialaccount.providers.google.views import GoogleOAuth2Adapter


def speak_to_google_at(url: str) -> None:
    """A server with Google's paths: the page of consent, the token with its signed identity, the certificates."""
    GoogleOAuth2Adapter.authorize_url = f"{url}/o/oauth2/v2/auth"
    GoogleOAuth2Adapter.access_token_url = f"{url}/token"
    GoogleOAuth2Adapter.identity_url = f"{url}/oauth2/v2/userinfo"
    GoogleOAuth2Adapter.id_token_issuer = google.ID_TOKEN_ISSUER = url
    google.CERTS_URL = f"{url}/oauth2/v1/certs"


def speak_to_discord_at(url: str) -> None:
    """A server with Discord's paths: the page of consent, the token, who it belongs to."""
    DiscordOAuth2Adapter.authorize_url = f"{url}/api/oauth2/authorize"
    DiscordOAuth2Adapter.access_token_url = f"{url}/api/oauth2/token"
    DiscordOAuth2Adapter.profile_url = f"{url}/api/users/@me"
