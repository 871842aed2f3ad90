"""The bell that says: there is a customer to settle. Nobody depends on it; the sweep looks every minute anyway."""

from __future__ import annotations

from config.kit.doorbell import Doorbell

SWEEP = "billing.payments.tasks.sweep"

_bell = Doorbell(SWEEP)


def ring() -> None:
    _bell.ring()
