"""Plans, packs and prices, as the catalogue file has them, and which plan a person has."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from accounts.models import User
from billing.models import Entitlement

_TIERS = {"first": 0, "priority": 1, "standard": 2}  # as the queue counts: the lowest is served first


@dataclass(frozen=True)
class Plan:
    """What a person may do. `max_styles` None means as many as they like; `tier` is the place in the queue."""

    slug: str
    name: str
    pitch: str
    cents_a_month: int
    credits: int
    max_steps: int
    visible_mark: bool
    video: bool
    queue: str
    max_styles: int | None = None

    @property
    def tier(self) -> int:
        return _TIERS[self.queue]

    @property
    def is_free(self) -> bool:
        return self.cents_a_month == 0

    @property
    def price(self) -> str:
        return dollars(self.cents_a_month)


@dataclass(frozen=True)
class Pack:
    credits: int
    cents: int

    @property
    def price(self) -> str:
        return dollars(self.cents)

    @property
    def each(self) -> str:
        return f"{self.cents / self.credits:.1f} ¢"


@dataclass(frozen=True)
class Tool:
    """One line of the price list."""

    slug: str
    name: str
    note: str
    credits: int


def dollars(cents: int) -> str:
    """`$9.99`, and `$99` where there are no cents."""
    return f"${cents // 100}" if cents % 100 == 0 else f"${cents / 100:.2f}"


_catalogue: dict[str, Any] = tomllib.loads((Path(__file__).parent / "catalogue.toml").read_text())

PRICES: dict[str, int] = _catalogue["prices"]
CHECKPOINTS: dict[str, int] = _catalogue["checkpoints"]
PLANS: dict[str, Plan] = {slug: Plan(slug=slug, **fields) for slug, fields in _catalogue["plans"].items()}
HOME = Plan(slug="home", **_catalogue["home"])
PACKS = [Pack(**fields) for fields in _catalogue["packs"]]
TOOLS = [
    Tool(slug=tool["slug"], name=tool["name"], note=tool["note"], credits=PRICES[tool["price"]] * tool.get("times", 1))
    for tool in _catalogue["tools"]
]
FREE_CREDITS = PLANS["free"].credits


def billing_is_on() -> bool:
    """Whether plans and balances decide here; else this is a home."""
    return bool(settings.BILLING)


def plan_of(user: User) -> Plan:
    """The plan that decides today: *Home* where billing is off, else the entitlement's, else Free."""
    if not billing_is_on():
        return HOME
    entitlement = Entitlement.objects.filter(user=user).first()
    return PLANS.get(entitlement.plan, PLANS["free"]) if entitlement else PLANS["free"]
