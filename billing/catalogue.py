"""The catalogue file: its shapes, and the sentence that names what is wrong in it. `billing.plans` asks it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

FILE = Path(__file__).parent / "catalogue.toml"
_TIERS = {"first": 0, "priority": 1, "standard": 2}  # as the queue counts: the lowest is served first

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,19}$")]
Name = Annotated[str, Field(min_length=1, max_length=60)]
Credits = Annotated[int, Field(ge=0, le=1_000_000)]
Cents = Annotated[int, Field(ge=0, le=10_000_000)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class CatalogueError(Exception):
    """The file says something that cannot be; the message names the file, the field and what it should be."""


class _Row(BaseModel):
    """Whole numbers are whole and words are words; a field that nobody reads is a slip of the pen."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Rate(_Row):
    """How often something may be asked for."""

    minute: Count
    hour: Count

    @model_validator(mode="after")
    def _hour_holds_a_minute(self) -> Self:
        if self.hour < self.minute:
            raise ValueError("an hour holds at least what a minute holds")
        return self


class Rates(_Row):
    """`submit`: pictures and trainings asked for. `upload`: files brought in."""

    submit: Rate
    upload: Rate


class Plan(_Row):
    """What a person may do. `max_styles` None means as many as they like; `rollover` of last month's credits stay."""

    slug: Slug
    name: Name
    pitch: Name
    cents_a_month: Cents
    credits: Credits
    rollover: Credits
    max_steps: Annotated[int, Field(ge=1, le=1000)]
    visible_mark: bool
    video: bool
    queue: Literal["first", "priority", "standard"]
    rates: Rates
    max_styles: Count | None = None

    @property
    def tier(self) -> int:
        """The place in the queue."""
        return _TIERS[self.queue]

    @property
    def is_free(self) -> bool:
        return self.cents_a_month == 0

    @property
    def lookup_key(self) -> str:
        """Its price's name at Stripe; nothing where there is nothing to buy."""
        return "" if self.is_free else f"plan_{self.slug}_month"

    @property
    def price(self) -> str:
        return dollars(self.cents_a_month)


class Pack(_Row):
    """Credits to buy once. They do not expire."""

    credits: Count
    cents: Annotated[Cents, Field(ge=50)]  # less than Stripe takes in dollars

    @property
    def lookup_key(self) -> str:
        return f"pack_{self.credits}"

    @property
    def price(self) -> str:
        return dollars(self.cents)

    @property
    def each(self) -> str:
        return f"{self.cents / self.credits:.1f} ¢"


class _ToolRow(_Row):
    slug: Slug
    name: Name
    note: Name
    price: str
    times: Count = 1


class _File(_Row):
    plans: dict[Slug, Plan]
    home: Plan
    packs: list[Pack]
    prices: dict[Slug, Count]
    checkpoints: dict[Slug, Count]
    tools: list[_ToolRow]


@dataclass(frozen=True)
class Tool:
    """One line of the price list."""

    slug: str
    name: str
    note: str
    credits: int


@dataclass(frozen=True)
class Catalogue:
    """`plans` stand from the least to the most, `packs` from the smallest."""

    plans: dict[str, Plan]
    home: Plan
    packs: list[Pack]
    prices: dict[str, int]
    checkpoints: dict[str, int]
    tools: list[Tool]


def dollars(cents: int) -> str:
    """`$9.99`, and `$99` where there are no cents."""
    return f"${cents // 100:,}" if cents % 100 == 0 else f"${cents / 100:,.2f}"


def read(path: Path = FILE) -> Catalogue:
    """The file, checked as a whole. Raises CatalogueError."""
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{path.name}: {error}") from error
    for slug, fields in _tables(raw.get("plans")):
        fields.setdefault("slug", slug)
    for _slug, fields in _tables({"home": raw.get("home")}):
        fields.setdefault("slug", "home")
    try:
        file = _File.model_validate(raw)
    except ValidationError as error:
        raise CatalogueError("; ".join(_faults(path, error))) from error
    for fault in _slips(file):
        raise CatalogueError(f"{path.name}, {fault}")
    tools = [Tool(row.slug, row.name, row.note, file.prices[row.price] * row.times) for row in file.tools]
    return Catalogue(file.plans, file.home, file.packs, file.prices, file.checkpoints, tools)


def _tables(value: Any) -> Iterable[tuple[str, dict[str, Any]]]:
    """Those that are tables; what is none is told of by the check that follows."""
    return [(name, one) for name, one in value.items() if isinstance(one, dict)] if isinstance(value, dict) else []


def _faults(path: Path, error: ValidationError) -> Iterable[str]:
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"] if part != "[key]")
        yield f"{path.name}, {where}: {fault['msg']}"


def _slips(file: _File) -> Iterable[str]:
    """What each field alone cannot show: the order, the one free plan, names that must be there or be unlike."""
    prices = [plan.cents_a_month for plan in file.plans.values()]
    if "free" not in file.plans or sum(plan.is_free for plan in file.plans.values()) != 1:
        yield "plans: exactly one costs nothing, and it is called “free”"
    if prices != sorted(set(prices)):
        yield "plans: they stand from the cheapest to the dearest, no two at one price"
    tiers = [plan.tier for plan in file.plans.values()]
    if tiers != sorted(tiers, reverse=True):
        yield "plans: a dearer plan does not wait behind a cheaper one (`queue`)"
    if file.plans.get("home") or file.home.slug != "home":
        yield "home: the name “home” is kept for the plan without billing"
    for plan in (*file.plans.values(), file.home):
        if plan.visible_mark and plan.video:  # what `gallery.addresses` relies on
            yield f"plans.{plan.slug}.video: a plan that marks pictures makes no films, as films cannot be marked"
        if plan.rollover > plan.credits:
            yield f"plans.{plan.slug}.rollover: at most a month's credits ({plan.credits}) stay"
    if (sizes := [pack.credits for pack in file.packs]) != sorted(set(sizes)):
        yield "packs: they stand from the smallest to the largest, no two alike"
    for number, tool in enumerate(file.tools):
        if tool.price not in file.prices:
            yield f"tools.{number}.price: “{tool.price}” ({tool.slug}) is not among [prices]"
