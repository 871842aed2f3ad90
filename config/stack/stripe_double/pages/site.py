"""Which page answers which address; the control page's commands answer JSON to whoever asks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

from config.stack.stripe_double.double import Double
from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.pages import checkout, control, portal
from config.stack.stripe_double.pages.commands import COMMANDS
from config.stack.stripe_double.pages.html import Page, Request, esc, frame, goto, link
from config.stack.stripe_double.store import Thing

_STYLE = (Path(__file__).parent / "style.css").read_bytes()
_PAGES: list[tuple[str, str, Callable[..., Page]]] = [
    ("GET", r"/c/pay/([^/]+)", checkout.show),
    ("POST", r"/c/pay/([^/]+)", checkout.act),
    ("GET", r"/c/pay/([^/]+)/confirm", checkout.confirm),
    ("POST", r"/c/pay/([^/]+)/confirm", checkout.confirm),
    ("GET", r"/p/session/([^/]+)", portal.show),
    ("POST", r"/p/session/([^/]+)", portal.act),
    ("GET", r"/i/([^/]+)/([^/]+)", portal.show_invoice),
    ("POST", r"/i/([^/]+)/([^/]+)", portal.pay_invoice),
    ("GET", r"/i/([^/]+)/([^/]+)/pdf", portal.invoice_file),
    ("GET", r"/receipts/([^/]+)", portal.show_receipt),
    ("GET", r"/double/", control.show),
    ("GET", r"/", lambda double, request: goto("/double/")),
    ("GET", r"/double/style\.css", lambda double, request: Page(kind="text/css; charset=utf-8", raw=_STYLE)),
]


def respond(double: Double, method: str, path: str, query: str, body: str, headers: dict[str, str]) -> Page:
    """Answer a request that is not for the REST API."""
    given = {name.lower(): value for name, value in headers.items()}
    origin = given.get("origin")
    own = (None, double.world.base_url, f"http://{given.get('host', '')}")
    if method == "POST" and origin not in own:
        return frame("Refused", "<h1>Refused</h1><p>Another site asked for this.</p>", status=403)
    is_json = given.get("content-type", "").startswith("application/json")
    request = Request(
        "GET" if method == "HEAD" else method, path, dict(parse_qsl(query)), _fields(body, is_json=is_json)
    )
    wants_json = is_json or "application/json" in given.get("accept", "")
    command = COMMANDS.get(path.removeprefix("/double/").rstrip("/")) if path.startswith("/double/") else None
    if command is not None and (method == "POST" or command.__name__ == "state"):
        return _command(double, command, request, wants_json=wants_json or command.__name__ == "state")
    for verb, pattern, page in _PAGES:
        match = re.fullmatch(pattern, path) if verb == request.method else None
        if match:
            try:
                return page(double, request, *match.groups())
            except ApiError as refused:
                return frame("Not found", f"<h1>Not found</h1><p>{esc(refused)}</p>", status=404)
    return frame("Not found", "<h1>Not found</h1><p>The double has no such page.</p>", status=404)


def _command(double: Double, command: Callable[[Double, Thing], Thing], request: Request, *, wants_json: bool) -> Page:
    try:
        answered = command(double, {**request.query, **request.fields})
    except ApiError as refused:
        if wants_json:
            return Page(json.dumps({"error": refused.body}), status=refused.status, kind="application/json")
        return goto(link("/double/", problem=str(refused)))
    if wants_json:
        return Page(json.dumps(answered), kind="application/json")
    return goto(link("/double/", said=answered["say"]))


def _fields(body: str, *, is_json: bool) -> Thing:
    if not is_json:
        return dict(parse_qsl(body, keep_blank_values=True))
    try:
        content = json.loads(body or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
