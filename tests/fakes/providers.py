"""Google and Discord on this machine: the pages and calls of a sign-in by them, checked as strictly as theirs.

In a test the fixture `providers` (tests/accounts/conftest.py) runs both in a thread. For a whole stack they are a
process, and the product is told where they are:

    python -m tests.fakes.providers --port 9009
    make run GOOGLE_CLIENT_ID=x GOOGLE_CLIENT_SECRET=y GOOGLE_URL=http://localhost:9009/google \\
             DISCORD_CLIENT_ID=x DISCORD_CLIENT_SECRET=y DISCORD_URL=http://localhost:9009/discord
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

KEY_ID = "the-one-key"
CODE_LASTS = 60  # seconds
ASKED = {"google": {"email", "profile"}, "discord": {"email", "identify"}}
AUTHORIZE = {"/google/o/oauth2/v2/auth": "google", "/discord/api/oauth2/authorize": "discord"}
TOKEN = {"/google/token": "google", "/discord/api/oauth2/token": "discord"}


@dataclass(frozen=True)
class Visitor:
    """Who somebody is there. The address is all that tells two apart: the number follows from it."""

    email: str
    name: str = "Ines Moreau"
    verified: bool = True

    @property
    def number(self) -> str:
        return str(int(hashlib.sha256(self.email.encode()).hexdigest()[:15], 16))


@dataclass
class Granted:
    """What a code may be exchanged for, once."""

    visitor: Visitor
    asked: dict[str, str]
    at: float = field(default_factory=time.monotonic)


class Refused(Exception):
    """The call is not as the provider's documentation wants it."""


@dataclass
class Providers:
    """Both, at one address. `broken` makes the next calls fail: "token", "profile"."""

    url: str
    broken: str = ""
    codes: dict[str, Granted] = field(default_factory=dict)
    tokens: dict[str, Visitor] = field(default_factory=dict)

    @property
    def google(self) -> str:
        return f"{self.url}/google"

    @property
    def discord(self) -> str:
        return f"{self.url}/discord"

    @property
    def variables(self) -> dict[str, str]:
        """What a stack is started with to know both."""
        named = {f"{name}_{part}": "tests" for name in ("GOOGLE", "DISCORD") for part in ("CLIENT_ID", "CLIENT_SECRET")}
        return named | {"GOOGLE_URL": self.google, "DISCORD_URL": self.discord}

    def consent(self, page: str, visitor: Visitor, *, allow: bool = True) -> str:
        """What a person does on the page of consent at this address; answers where they are sent back to."""
        shown = requests.get(page, timeout=5)
        shown.raise_for_status()
        said = {"email": visitor.email, "name": visitor.name, "answer": "allow" if allow else "deny"}
        if visitor.verified:
            said["verified"] = "on"
        sent = requests.post(shown.url, data=said, timeout=5, allow_redirects=False)
        return sent.headers["Location"]

    # --- what a provider does ---

    def check_question(self, provider: str, asked: dict[str, str]) -> None:
        if asked.get("response_type") != "code" or not asked.get("client_id"):
            raise Refused("response_type must be code, and client_id be there")
        if not asked.get("state"):
            raise Refused("without state anybody could sign somebody else in")
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            raise Refused("PKCE with S256 is asked of every client")
        if not ASKED[provider] <= set(asked.get("scope", "").split()):
            raise Refused(f"scope must hold {sorted(ASKED[provider])}")

    def answer(self, asked: dict[str, str], said: dict[str, str]) -> str:
        """Where the person goes on after the page of consent."""
        if said.get("answer") != "allow":
            back = {"error": "access_denied", "state": asked["state"]}
        else:
            code = secrets.token_urlsafe(16)
            visitor = Visitor(said.get("email", ""), said.get("name") or "Ines Moreau", "verified" in said)
            self.codes[code] = Granted(visitor, asked)
            back = {"code": code, "state": asked["state"]}
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def exchange(self, provider: str, sent: dict[str, str]) -> dict[str, Any]:
        granted = self.codes.pop(sent.get("code", ""), None)
        if granted is None or time.monotonic() - granted.at > CODE_LASTS:
            raise Refused("no such code, or used already")
        asked = granted.asked
        if sent.get("grant_type") != "authorization_code" or not sent.get("client_secret"):
            raise Refused("grant_type and client_secret")
        if any(sent.get(name) != asked[name] for name in ("client_id", "redirect_uri")):
            raise Refused("another client or another way back than asked for")
        proof = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(proof).rstrip(b"=").decode() != asked["code_challenge"]:
            raise Refused("code_verifier does not fit")
        token = secrets.token_urlsafe(24)
        self.tokens[token] = granted.visitor
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": asked["scope"]}
        if provider == "google":
            answer["id_token"] = identity(granted.visitor, issuer=self.google, audience=asked["client_id"])
        return answer

    def profile(self, token: str) -> dict[str, Any]:
        """Discord's `/users/@me`."""
        visitor = self.tokens.get(token)
        if visitor is None:
            raise Refused("no such token")
        return {
            "id": visitor.number,
            "username": visitor.email.partition("@")[0],
            "global_name": visitor.name,
            "discriminator": "0",
            "avatar": None,
            "email": visitor.email or None,  # who signed up there by telephone has none
            "verified": visitor.verified,
        }


def identity(visitor: Visitor, *, issuer: str, audience: str, key: rsa.RSAPrivateKey | None = None) -> str:
    """Google's signed word on who this is. Another `key` makes a forged one."""
    now = int(time.time())
    given, _, family = visitor.name.partition(" ")
    claims = {
        "iss": issuer,
        "aud": audience,
        "azp": audience,
        "sub": visitor.number,
        "email": visitor.email,
        "email_verified": visitor.verified,
        "name": visitor.name,
        "given_name": given,
        "family_name": family,
        "iat": now,
        "exp": now + 3600,
        "jti": secrets.token_hex(8),
    }
    return jwt.encode(claims, key or signing_key(), algorithm="RS256", headers={"kid": KEY_ID})


@cache
def signing_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate() -> str:
    """Google publishes its keys as certificates."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signing_key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .sign(signing_key(), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


PAGE = """<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>{title}</title><h1>{title}</h1>
<p>ArtistCloner wants to know who you are.</p>
<form method="post">
<p><label>Email <input name="email" type="email" value="ines@example.com" required></label></p>
<p><label>Name <input name="name" value="Ines Moreau"></label></p>
<p><label><input name="verified" type="checkbox" checked> Address verified</label></p>
<button name="answer" value="allow">Allow</button> <button name="answer" value="deny" formnovalidate>Cancel</button>
</form></html>"""


class Handler(BaseHTTPRequestHandler):
    """The two servers' addresses."""

    providers: Providers

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if provider := AUTHORIZE.get(parts.path):
            try:
                self.providers.check_question(provider, _plain(parts.query))
            except Refused as refused:
                self._send(400, f"<h1>400</h1><p>{html.escape(str(refused))}", "text/html")
            else:
                self._send(200, PAGE.format(title=f"Sign in with {provider.title()}"), "text/html")
        elif parts.path == "/google/oauth2/v1/certs":
            self._json(200, {KEY_ID: certificate()})
        elif parts.path == "/discord/api/users/@me":
            self._profile()
        else:
            self._json(404, {"error": "not_found"})

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        sent = _plain(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        if parts.path in AUTHORIZE:
            self.send_response(302)
            self.send_header("Location", self.providers.answer(_plain(parts.query), sent))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif provider := TOKEN.get(parts.path):
            try:
                if self.providers.broken == "token":
                    raise Refused("as the test wants it")
                self._json(200, self.providers.exchange(provider, sent))
            except Refused as refused:
                self._json(400, {"error": "invalid_grant", "error_description": str(refused)})
        else:
            self._json(404, {"error": "not_found"})

    def _profile(self) -> None:
        try:
            if self.providers.broken == "profile":
                raise Refused("as the test wants it")
            self._json(200, self.providers.profile(self.headers.get("Authorization", "").removeprefix("Bearer ")))
        except Refused:
            self._json(401, {"message": "401: Unauthorized", "code": 0})

    def _json(self, status: int, body: dict[str, Any]) -> None:
        self._send(status, json.dumps(body), "application/json")

    def _send(self, status: int, body: str, kind: str) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: a test's output is the test's."""


def _plain(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}


def make_server(port: int = 0) -> tuple[ThreadingHTTPServer, Providers]:
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    providers = Providers(f"http://localhost:{server.server_address[1]}")
    server.RequestHandlerClass = type("BoundHandler", (Handler,), {"providers": providers})
    return server, providers


@contextmanager
def running_providers(port: int = 0) -> Iterator[Providers]:
    """Both in a thread; any free port by itself."""
    server, providers = make_server(port)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield providers
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    make_server(parser.parse_args().port)[0].serve_forever()
