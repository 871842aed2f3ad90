"""Webhooks: signed as Stripe signs them, delivered again until they are taken, and misdelivered on request."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable

from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World

# answers a signed message: the status, and the beginning of what was answered
Send = Callable[[bytes, dict[str, str]], tuple[int, str]]
_WAITS = (1, 5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600)  # seconds after each failed attempt
_ANSWER_WITHIN = 10.0


def signature(body: bytes, secret: str, at: int) -> str:
    """The `Stripe-Signature` of a message."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Courier:
    """Carries events to one address. `due` of a delivery is the machine's time: the double's may be moved."""

    def __init__(self, world: World, lock: threading.RLock, *, secret: str, webhook: str) -> None:
        self._world = world
        self._lock = lock
        self.secret = secret
        self.webhook = webhook
        self.held = False  # nothing goes out by itself
        self.losing: set[str] = set()  # kinds that never arrive; "*" is all of them
        self.send: Send = self._post

    def waiting(self) -> list[Thing]:
        return [delivery for delivery in self._world.store.deliveries if delivery["state"] == "waiting"]

    def lose_waiting(self, losing: Iterable[str]) -> list[Thing]:
        """Drop what waits and is of these kinds: it never arrives."""
        kinds = set(losing)
        lost = [d for d in self.waiting() if "*" in kinds or self._event(d)["type"] in kinds or d["event"] in kinds]
        for delivery in lost:
            delivery["state"] = "lost"
        return lost

    def deliver(self, delivery: Thing) -> int:
        """One attempt; returns the status (0: nobody answered)."""
        with self._lock:
            body = self.message(self._event(delivery))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": self.sign(body),
        }
        status, said = self.send(body, headers)  # not under the lock: whoever takes it asks the double back
        with self._lock:
            self._note(delivery, status, said)
        return status

    def _note(self, delivery: Thing, status: int, said: str) -> None:
        now = int(time.time())
        delivery["attempts"].append({"at": now, "status": status, "said": said[:300]})
        if 200 <= status < 300:
            delivery["state"] = "delivered"
            self._event(delivery)["pending_webhooks"] = 0
        elif delivery["state"] != "delivered":
            failures = len(delivery["attempts"])
            delivery["state"] = "waiting" if failures <= len(_WAITS) else "given up"
            delivery["due"] = now + _WAITS[min(failures, len(_WAITS)) - 1]

    def deliver_due(self) -> int:
        """Send what is to go out by itself now; returns how many attempts that were."""
        with self._lock:
            self.lose_waiting(self.losing)
            now = time.time()
            ready = [] if self.held or not self.webhook else [d for d in self.waiting() if d["due"] <= now]
        for delivery in ready:
            self.deliver(delivery)
        return len(ready)

    def sign(self, body: bytes) -> str:
        return signature(body, self.secret, int(time.time()))

    def message(self, event: Thing) -> bytes:
        return json.dumps(event, indent=2).encode()

    def _event(self, delivery: Thing) -> Thing:
        return self._world.store.get("event", delivery["event"])

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        request = urllib.request.Request(self.webhook, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_WITHIN) as response:
                return response.status, response.read(300).decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read(300).decode(errors="replace")
        except OSError as error:
            return 0, str(error)
