"""Where credits went: by day, and by the tool that worked for them. The rooms above name their tools."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from billing.models import CreditEntry, CreditTransaction
from config.kit.errors import Refusal

Words = str | Promise


@dataclass(frozen=True)
class Family:
    """Tools that share a colour in the chart; `look` is its class there."""

    say: Words
    look: str


# from below, as the chart stacks them
FAMILIES = {
    "training": Family(gettext_lazy("training"), "c"),
    "pictures": Family(gettext_lazy("pictures"), ""),
    "films": Family(gettext_lazy("films"), "b"),
    "other": Family(gettext_lazy("other work"), "o"),
}
LOOKS = {name: family.look for name, family in FAMILIES.items()}

_tools: dict[str, tuple[Words, str]] = {}


def register(tool: str, say: Words, *, family: str) -> None:
    """Name a tool, by the kind of its jobs. Called in an app's `ready()`."""
    if family not in FAMILIES:
        raise KeyError(family)
    _tools[tool] = (say, family)


@dataclass(frozen=True)
class Used:
    """What one tool, or one family of them, took."""

    say: str
    look: str
    credits: int
    times: int = 0


@dataclass(frozen=True)
class Usage:
    """A month: the columns of its chart, and its sum by family and by tool, the largest first."""

    month: datetime
    days: list[dict[str, int]]
    families: list[Used]
    tools: list[Used]
    total: int


def usage_of(user: User, month: datetime) -> Usage:
    """What was paid in that month, less what was refunded in it."""
    last = monthrange(month.year, month.month)[1]
    days: list[dict[str, int]] = [defaultdict(int) for _day in range(last)]
    credits: dict[str, int] = defaultdict(int)
    times: dict[str, int] = defaultdict(int)
    paid = Count("transaction", filter=Q(transaction__kind=CreditTransaction.Kind.CAPTURE), distinct=True)
    rows = (
        CreditEntry.objects.filter(account__user=user, bucket=CreditEntry.Bucket.SPENT)
        .filter(transaction__at__gte=month, transaction__at__lt=after(month))
        .annotate(day=TruncDate("transaction__at"))
        .values_list("day", "transaction__hold__tool")
        .annotate(credits=Sum("amount"), times=paid)
    )
    for day, tool, amount, count in rows:
        days[day.day - 1][_tool(tool)[1]] += amount
        credits[tool] += amount
        times[tool] += count
    shown = [{family: max(0, amount) for family, amount in day.items()} for day in days]
    return Usage(month, shown, _by_family(credits), _by_tool(credits, times), sum(credits.values()))


def _tool(name: str) -> tuple[Words, str]:
    return _tools.get(name, (FAMILIES["other"].say, "other"))


def _by_family(credits: dict[str, int]) -> list[Used]:
    sums: dict[str, int] = defaultdict(int)
    for tool, amount in credits.items():
        sums[_tool(tool)[1]] += amount
    return [Used(str(one.say), one.look, sums[name]) for name, one in FAMILIES.items() if sums[name] > 0]


def _by_tool(credits: dict[str, int], times: dict[str, int]) -> list[Used]:
    found = [
        Used(str(_tool(name)[0]), FAMILIES[_tool(name)[1]].look, amount, times[name])
        for name, amount in credits.items()
        if amount > 0
    ]
    return sorted(found, key=lambda one: (-one.credits, one.say))


# --- months ---------------------------------------------------------------------------------------------------


def month_of(moment: datetime) -> datetime:
    """When the month began in which that moment lies."""
    return timezone.localtime(moment).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def after(month: datetime) -> datetime:
    return month.replace(year=month.year + 1, month=1) if month.month == 12 else month.replace(month=month.month + 1)


def read_month(text: str) -> datetime:
    """“2026-11” as the beginning of that month."""
    try:
        month = timezone.make_aware(datetime.strptime(text, "%Y-%m"))  # noqa: DTZ007
        after(month)  # the last month of all years has none
    except (ValueError, OverflowError) as error:
        say = _("Name a month by its year and number, like 2026-11.")
        raise Refusal(say, code="bad_month", field="month") from error
    return month


def months_of(user: User) -> list[datetime]:
    """Every month since the person signed up, newest first."""
    months, month, now = [], month_of(user.date_joined), timezone.now()
    while month <= now:
        months.append(month)
        month = after(month)
    return months[::-1]
