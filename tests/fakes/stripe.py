"""Stripe for tests: the double of `make run STRIPE=double`, asked in process and delivering only when told.

def test_a_pack_brings_credits(stripe_double, user):
    purchase = checkout.begin(user=user, lookup_key="pack_50")
    stripe_double.pay(purchase.session_url)
    stripe_double.deliver()                      # all that waits, signed, to /stripe/webhook/
    stripe_double.clock.advance(days=31)         # renewals, retries, what ends
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import stripe
from django.test import Client

from config.stack.stripe_double.double import Double
from config.stack.stripe_double.engine import checkout, portal, returns
from config.stack.stripe_double.engine.cards import card_numbered
from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.server import Server

KEY = "sk_test_double0000000000000000000"
SECRET = "whsec_double00000000000000000000"
WEBHOOK = "/stripe/webhook/"
Declined = ApiError  # what `pay` raises when the card is refused
Order = Sequence[int | str] | Callable[[list[dict[str, Any]]], list[dict[str, Any]]] | str | None


class _Headers(dict[str, str]):
    """Found whatever the case, as the library expects of an answer's headers."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in given.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class InProcess(stripe.HTTPClient):
    """The library's way to the double without a socket: thousands of calls cost little."""

    name = "double"

    def __init__(self, double: Double) -> None:
        super().__init__()
        self._double = double
        self.calls: list[str] = []

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, *, _usage: Any = None
    ) -> tuple[str, int, Mapping[str, str]]:
        address = urlsplit(url)
        self.calls.append(f"{method.upper()} {address.path}")
        answer = self._double.answer(method.upper(), address.path, address.query, post_data or "", headers or {})
        return answer.encoded().decode(), answer.status, _Headers(answer.headers)

    def close(self) -> None:
        """Nothing is open."""


class DoubleClock:
    def __init__(self, double: Double) -> None:
        self._double = double

    def now(self) -> int:
        return self._double.world.now()

    def advance(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> int:
        """Time passes, and what is due happens; its news wait until they are delivered."""
        return self._double.advance(days=days, hours=hours, seconds=seconds)


class StripeDouble:
    """What a test may do to the double."""

    def __init__(self, double: Double, transport: InProcess, url: str) -> None:
        self.double = double
        self.transport = transport
        self.url = url
        self.clock = DoubleClock(double)

    @property
    def settings(self) -> Any:
        """Tax, retries and what becomes of the unpaid: `config.stack.stripe_double.world.Settings`."""
        return self.double.world.settings

    @property
    def events(self) -> list[dict[str, Any]]:
        """Everything that happened, oldest first."""
        return list(self.double.world.store.all("event"))

    @property
    def waiting(self) -> list[dict[str, Any]]:
        """The events that were neither delivered nor lost, oldest first."""
        return [self._event(delivery["event"]) for delivery in self.double.courier.waiting()]

    def pay(
        self, session: Any, card: str = "4242424242424242", *, email: str = "", code: str = "", confirm: bool = True
    ) -> dict[str, Any]:
        """Fill in the Checkout page of a session (its id, its address or the object) and press the button."""
        session_id = str(getattr(session, "id", session)).rstrip("/").rpartition("/")[2]
        with self.double.changing() as world:
            found = world.store.get("checkout.session", session_id)
            if code:
                checkout.set_code(world, checkout.open_session(world, session_id), code)
            known = world.store.find(found["customer"]) if found["customer"] else None
            address = email or found["customer_email"] or (known or {}).get("email") or "someone@example.com"
            checkout.pay(world, found, checkout.Buyer(card_numbered(card), address, confirmed=confirm))
            return world.shown(found)

    def use_card(self, customer: str, card: str) -> dict[str, Any]:
        """Another card in the billing portal: it pays what is open, too."""
        with self.double.changing() as world:
            found = world.store.get("customer", customer)
            return world.shown(portal.use_card(world, found, card_numbered(card)))

    def dispute(self, charge: str, *, reason: str = "fraudulent", amount: int | None = None) -> dict[str, Any]:
        """The bank takes a payment back."""
        with self.double.changing() as world:
            opened = returns.dispute(world, world.store.get("charge", charge), reason=reason, amount=amount)
            return world.shown(opened)

    def decide(self, dispute: str, *, won: bool) -> None:
        """The bank has decided a dispute."""
        with self.double.changing() as world:
            returns.close_dispute(world, world.store.get("dispute", dispute), won=won)

    def deliver(self, order: Order = None, times: int = 1, lose: Iterable[str] = ()) -> list[int]:
        """Send what waits to our webhook, signed. Returns the answers' statuses.

        `order`: "reversed", kinds or ids or positions (the rest goes on waiting), or a function of the events;
        `times`: how often each is sent; `lose`: kinds (or "*") that never arrive.
        """
        self.double.courier.lose_waiting(lose)
        client = Client(enforce_csrf_checks=True)
        self.double.courier.send = lambda body, headers: self._post(client, body, headers)
        statuses = []
        for event in self._ordered(order):
            delivery = self._delivery(event["id"])
            statuses += [self.double.courier.deliver(delivery) for _ in range(times)]
        return statuses

    def signed(self, event: dict[str, Any]) -> tuple[bytes, str]:
        """The body and the `Stripe-Signature` of an event, to send it by other ways."""
        body = self.double.courier.message(event)
        return body, self.double.courier.sign(body)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Stripe's API answers nothing but 503."""
        self.double.down = True
        try:
            yield
        finally:
            self.double.down = False

    def _ordered(self, order: Order) -> list[dict[str, Any]]:
        waiting = self.waiting
        if order is None:
            return waiting
        if callable(order):
            return order(waiting)
        if isinstance(order, str):
            assert order == "reversed", order
            return waiting[::-1]
        chosen = []
        for wanted in order:
            if isinstance(wanted, int):
                chosen.append(waiting[wanted])
            else:
                found = [event for event in waiting if wanted in (event["id"], event["type"])]
                assert found, f"{wanted} does not wait; what does: {[event['type'] for event in waiting]}"
                chosen += found
        return chosen

    def _post(self, client: Client, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        given = {name: value for name, value in headers.items() if name != "Content-Type"}
        answer = client.post(WEBHOOK, data=body, content_type=headers["Content-Type"], headers=given)
        return answer.status_code, answer.content.decode()

    def _event(self, event_id: str) -> dict[str, Any]:
        return self.double.world.store.get("event", event_id)

    def _delivery(self, event_id: str) -> dict[str, Any]:
        return next(d for d in self.double.world.store.deliveries if d["event"] == event_id)


@pytest.fixture
def stripe_double(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeDouble]:
    """A fresh Stripe account, and our settings pointing at it; also on a socket at `.url`."""
    server = Server("127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.port}"
    double = Double(base_url=url, key=KEY, secret=SECRET)
    server.double = double
    transport = InProcess(double)
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET = KEY, SECRET
    settings.STRIPE_API_HOST, settings.STRIPE_LIVE_MODE, settings.BILLING = url, False, True
    monkeypatch.setattr(stripe, "api_base", url)
    monkeypatch.setattr(stripe, "api_key", KEY)
    monkeypatch.setattr(stripe, "default_http_client", transport)
    server.start()
    yield StripeDouble(double, transport, url)
    server.stop()
