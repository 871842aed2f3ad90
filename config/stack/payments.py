"""`make run STRIPE=double`: a double of Stripe beside the site, so that buying can be tried out without money."""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass

from config.stack.address import Address
from config.stack.process import MARK, Program
from config.stack.programs import Step
from config.stack.servers import free_port, is_free
from config.stack.state import ROOT, State, Trouble

_FILE = "stripe-double.json"
_TAX = "10"  # percent: a tax line is worth seeing
# whoever sets one of these means Stripe itself
_REAL = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_HOST")


@dataclass(frozen=True)
class StripeDouble:
    """The double that belongs to one STATE_DIR: its keys and its port stay, as addresses in it do."""

    state: State
    address: Address
    port: int

    @classmethod
    def from_environment(cls, state: State, address: Address) -> StripeDouble | None:
        """The double if `STRIPE=double` asks for one."""
        asked = os.environ.get("STRIPE") or ""
        if not asked:
            return None
        if asked != "double":
            raise Trouble(f"STRIPE is {asked!r}; it can be `double`. For Stripe itself set STRIPE_SECRET_KEY alone.")
        given = [name for name in _REAL if os.environ.get(name)]
        if given:
            raise Trouble(
                f"STRIPE=double was asked for, and {' and '.join(given)} is set, which means Stripe itself. "
                "Leave one of them out."
            )
        known = state.read_json(_FILE).get("port")
        port = known if isinstance(known, int) and is_free(known, address.bind) else free_port()
        state.write_json(_FILE, {"port": port})
        return cls(state, address, port)

    @property
    def url(self) -> str:
        """The same for browsers and for our server."""
        return f"http://{self.address.name}:{self.port}"

    def env(self) -> dict[str, str]:
        """What makes the site sell, and at whom it asks."""
        return {
            "BILLING": "on",
            "STRIPE_SECRET_KEY": f"sk_test_{self.state.secret('stripe_key')}",
            "STRIPE_WEBHOOK_SECRET": f"whsec_{self.state.secret('stripe_webhook')}",
            "STRIPE_API_HOST": self.url,
            "STRIPE_PAGES": self.url,
            "STRIPE_TAX": "on",
        }

    def program(self) -> Program:
        webhook = f"http://{self.address.name}:{self.address.port}/stripe/webhook/"
        where = ["--host", self.address.bind, "--port", str(self.port), "--url", self.url, "--webhook", webhook]
        kept = ["--state", str(self.state.root / "stripe-double-state.json"), "--tax", _TAX]
        return Program(
            name="stripe",
            title="The double of Stripe",
            argv=[sys.executable, "-m", "config.stack.stripe_double", *where, *kept],
            log=self.state.log("stripe"),
            env={**self.env(), MARK: self.state.secret("stack"), "PYTHONUNBUFFERED": "1"},
        )

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://{self.address.probe}:{self.port}/double/style.css", timeout=2
            ) as answer:
                return int(answer.status) == 200
        except (urllib.error.URLError, OSError):
            return False

    def offers(self, env: dict[str, str]) -> Step | None:
        """Puts our products and prices into it; left out where it has those of this catalogue."""
        catalogue = (ROOT / "billing/catalogue.toml").read_bytes()
        stamp = hashlib.sha256(catalogue + self.url.encode()).hexdigest()
        kept = (self.state.root / "stripe-double-state.json").exists()
        if kept and self.state.read_json("prepared.json").get("stripe_sync") == stamp:
            return None
        argv = [sys.executable, "manage.py", "stripe_sync", "--apply"]
        env = {**env, MARK: self.state.secret("stack")}
        return Step(Program("stripe_sync", "Offering the plans", argv, self.state.log("stripe_sync"), env), stamp, True)
