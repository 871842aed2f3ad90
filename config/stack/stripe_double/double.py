"""The double as one thing: it answers requests, moves its clock, and hands out its news."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from config.stack.stripe_double.api import (
    account,
    catalogue,
    coupons,
    customers,
    invoices,
    money,
    portals,
    schedules,
    sessions,
    subscriptions,
)
from config.stack.stripe_double.api.router import Handler, find
from config.stack.stripe_double.clock import DAY, Clock
from config.stack.stripe_double.courier import Courier
from config.stack.stripe_double.engine import due
from config.stack.stripe_double.engine.drafts import TAX_RATE
from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.expanding import expand
from config.stack.stripe_double.params import Params, parse
from config.stack.stripe_double.store import Store, Thing, new_id
from config.stack.stripe_double.world import Settings, World

_ANSWERS_AT_ONCE = 500
_TICK = 0.25  # seconds
API_VERSION = "2026-05-27.dahlia"
# importing them fills the router
APIS = (account, catalogue, coupons, customers, invoices, money, portals, schedules, sessions, subscriptions)


@dataclass(frozen=True)
class Answer:
    status: int
    body: Thing
    headers: dict[str, str]

    def encoded(self) -> bytes:
        return json.dumps(self.body).encode()


class Double:
    """Everything happens under one lock: two requests at once are answered one after the other."""

    def __init__(
        self, *, base_url: str, key: str, secret: str, webhook: str = "", state: Path | None = None, tax: float = 0.0
    ) -> None:
        store = Store(state)
        self.lock = threading.RLock()
        self.world = World(store, Clock(store.settings.get("ahead", 0)), base_url.rstrip("/"), API_VERSION)
        self.world.settings = Settings(**store.settings["world"]) if "world" in store.settings else Settings(tax)
        self.key = key
        self.down = False
        self._next_due = 0.0  # nothing happens by itself before then, unless something is changed
        self.courier = Courier(self.world, self.lock, secret=secret, webhook=webhook)
        if store.find(TAX_RATE) is None:
            store.add(_tax_rate(self.world))
        if webhook and not any(store.all("webhook_endpoint", url=webhook)):
            account.make_endpoint(self.world, webhook, events=["*"])

    def save(self) -> None:
        settings = self.world.store.settings
        settings["ahead"], settings["world"] = self.world.clock.ahead, asdict(self.world.settings)
        self.world.store.save()
        self._next_due = 0.0

    def _catch_up(self) -> bool:
        """Do what is due; whether there was anything."""
        if self.world.now() < self._next_due:
            return False
        done, self._next_due = due.catch_up(self.world)
        return done > 0

    def advance(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> int:
        """Move the clock on; what is due on the way happens, each thing at its time."""
        with self.lock:
            done = due.pass_time(self.world, int(days * DAY + hours * 3600 + seconds))
            self.save()
            return done

    def tick(self) -> None:
        """Do what has become due while time passed by itself."""
        with self.lock:
            if self._catch_up():
                self.save()

    def keep_going(self, ended: threading.Event) -> None:
        """Until `ended`: do what becomes due, and deliver the news of it."""
        while not ended.wait(_TICK):
            self.tick()
            if self.courier.deliver_due():
                with self.lock:
                    self.save()

    @contextmanager
    def changing(self) -> Iterator[World]:
        """For the pages: the world under the lock, written down afterwards."""
        with self.lock:
            self._catch_up()
            try:
                yield self.world
            finally:
                self.save()

    def answer(self, method: str, path: str, query: str, body: str, headers: Mapping[str, str]) -> Answer:
        """Answer one request of the REST API."""
        given = {name.lower(): value for name, value in headers.items()}
        request_id = new_id("req", 14)
        known = {"Request-Id": request_id, "Stripe-Version": given.get("stripe-version", API_VERSION)}
        try:
            if self.down:
                raise ApiError("The double pretends an outage.", status=503, kind="api_error")
            self._check_key(given.get("authorization", ""))
            with self.lock:
                return self._answer(method, path, query, body, given, known)
        except ApiError as error:
            if error.status >= 500:
                known["Stripe-Should-Retry"] = "false"  # it will not be over in two seconds
            logged = {"request_log_url": f"{self.world.base_url}/double/?request={request_id}"}
            return Answer(error.status, {"error": {**error.body, **logged}}, known)

    def _answer(
        self, method: str, path: str, query: str, body: str, given: Mapping[str, str], known: dict[str, str]
    ) -> Answer:
        handler, ids = find(method, path)
        key = given.get("idempotency-key") if method == "POST" else None
        fingerprint = hashlib.sha256(f"{method} {path}?{query}\n{body}".encode()).hexdigest()
        if key is not None:
            known["Idempotency-Key"] = key
            replayed = self._replayed(key, fingerprint)
            if replayed is not None:
                return Answer(replayed["status"], replayed["body"], {**known, "Idempotent-Replayed": "true"})
        self.world.request = {"id": known["Request-Id"], "idempotency_key": key}
        try:
            status, content = self._outcome(handler, query, body, ids)
            if key is not None:
                answered = {"fingerprint": fingerprint, "at": self.world.now(), "status": status, "body": content}
                self.world.store.answers[key] = answered
                self._forget_old_answers()
        finally:
            self.world.request = {"id": None, "idempotency_key": None}
            if method != "GET":
                self.save()
        return Answer(status, content, known)

    def _outcome(self, handler: Handler, query: str, body: str, ids: list[str]) -> tuple[int, Thing]:
        """What is kept under an idempotency key: an answer or a declined card, not a refused parameter."""
        try:
            return 200, self._call(handler, query, body, ids)
        except ApiError as error:
            if error.status != 402:
                raise
            return 402, {"error": error.body}

    def _call(self, handler: Handler, query: str, body: str, ids: list[str]) -> Thing:
        self._catch_up()
        tree = parse("&".join(part for part in (query, body) if part))
        expanded = Params({"expand": tree.pop("expand", {})}).texts("expand")
        return expand(self.world, self.world.shown(handler(self.world, Params(tree), *ids)), expanded)

    def _replayed(self, key: str, fingerprint: str) -> dict[str, Any] | None:
        """What was answered to this key within a day."""
        answered = self.world.store.answers.get(key)
        if answered is None or answered["at"] + DAY < self.world.now():
            return None
        if answered["fingerprint"] != fingerprint:
            raise ApiError(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        return answered

    def _forget_old_answers(self) -> None:
        answers = self.world.store.answers
        if len(answers) % _ANSWERS_AT_ONCE == 0:
            since = self.world.now() - DAY
            self.world.store.answers = {key: one for key, one in answers.items() if one["at"] >= since}

    def _check_key(self, authorization: str) -> None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise ApiError(
                "You did not provide an API key. You need to provide your API key in the Authorization header, "
                "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
            )
        if key != self.key:
            raise ApiError(f"Invalid API Key provided: {key[:8]}****{key[-4:]}", status=401)


def _tax_rate(world: World) -> Thing:
    return {
        "id": TAX_RATE,
        "object": "tax_rate",
        "active": True,
        "country": "US",
        "created": world.now(),
        "description": None,
        "display_name": "Tax",
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": False,
        "jurisdiction": None,
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": {},
        "percentage": world.settings.tax_percent,
        "rate_type": "percentage",
        "state": None,
        "tax_type": "sales_tax",
    }
