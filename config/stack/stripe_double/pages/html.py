"""Plain HTML: escaping, amounts, dates, and the frame that says on every page that no money moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import urlencode

from config.stack.stripe_double.engine.cards import CARDS
from config.stack.stripe_double.store import Thing

NOTICE = "This is a double of Stripe for trying out. No money moves, and no card is real."


@dataclass(frozen=True)
class Request:
    """What a browser sent to a page."""

    method: str
    path: str
    query: Thing = field(default_factory=dict)
    fields: Thing = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """What it gets."""

    body: str = ""
    status: int = 200
    kind: str = "text/html; charset=utf-8"
    location: str = ""
    raw: bytes = b""

    def encoded(self) -> bytes:
        return self.raw or self.body.encode()

    def headers(self) -> dict[str, str]:
        given = {
            "Content-Type": self.kind,
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'",
            "X-Content-Type-Options": "nosniff",
        }
        return {**given, "Location": self.location} if self.location else given


def goto(location: str) -> Page:
    return Page(status=303, location=location)


def esc(value: object) -> str:
    return escape(str(value), quote=True)


def frame(title: str, body: str, *, status: int = 200, wide: bool = False) -> Page:
    """A whole page around `body`."""
    kind = ' class="wide"' if wide else ""
    return Page(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{esc(title)} · Stripe double</title>
<link rel="stylesheet" href="/double/style.css">
</head>
<body>
<p class="notice" role="note"><strong>Double.</strong> {NOTICE} <a href="/double/">Control page</a></p>
<main{kind}>
{body}
</main>
</body>
</html>
""",
        status=status,
    )


def problem(say: str) -> str:
    return f'<p class="problem" role="alert">{esc(say)}</p>' if say else ""


def amount(cents: int, currency: str = "usd") -> str:
    sign = "−" if cents < 0 else ""
    shown = f"{abs(cents) / 100:,.2f}"
    return f"{sign}${shown}" if currency == "usd" else f"{sign}{shown} {currency.upper()}"


def day(seconds: int | None) -> str:
    if seconds is None:
        return "–"
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.day} {moment:%B %Y}"


def moment(seconds: int | None) -> str:
    return "–" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def per(price: Thing) -> str:
    """A price as a person reads it."""
    said = amount(price["unit_amount"], price["currency"])
    recurring = price["recurring"]
    if recurring is None:
        return said
    count = recurring["interval_count"]
    return f"{said} a {recurring['interval']}" if count == 1 else f"{said} every {count} {recurring['interval']}s"


def button(label: str, action: str, *, kind: str = "", **hidden: Any) -> str:
    """A form that is one button."""
    fields = "".join(f'<input type="hidden" name="{esc(name)}" value="{esc(value)}">' for name, value in hidden.items())
    chosen = f' class="{kind}"' if kind else ""
    return f'<form method="post" action="{esc(action)}">{fields}<button{chosen}>{esc(label)}</button></form>'


def link(path: str, **query: str) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def card_fields(number: str = "4242 4242 4242 4242", *, debits: bool = False) -> str:
    """The fields of a card, and what each test card does."""
    shown = [card for card in CARDS.values() if debits or card.kind == "card"]
    options = "".join(f'<option value="{_spaced(card.number)}">{esc(card.says)}</option>' for card in shown)
    return f"""
<label for="card">Card number</label>
<input id="card" name="card" value="{esc(number)}" list="cards" autocomplete="off" required>
<datalist id="cards">{options}</datalist>
<div class="pair">
<div><label for="expiry">Expires</label><input id="expiry" name="expiry" value="12 / 34" autocomplete="off"></div>
<div><label for="cvc">Security code</label><input id="cvc" name="cvc" value="123" autocomplete="off"></div>
</div>
<details><summary>Test cards</summary>{card_table(debits=debits)}</details>
"""


def card_table(*, debits: bool) -> str:
    """What each test card does."""
    shown = [card for card in CARDS.values() if debits or card.kind == "card"]
    rows = "".join(f"<tr><td><code>{_spaced(card.number)}</code></td><td>{esc(card.says)}</td></tr>" for card in shown)
    return f'<div class="scroll"><table>{rows}</table></div>'


def _spaced(number: str) -> str:
    return " ".join(number[index : index + 4] for index in range(0, len(number), 4))
