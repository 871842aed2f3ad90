"""Of which days the figures tell: whole days in UTC, today included."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.utils import timezone

CHOICES = (7, 30, 90)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """`first` and `last` belong to it."""

    first: date
    last: date

    @classmethod
    def of(cls, days: int, *, today: date | None = None) -> Period:
        last = today or timezone.now().astimezone(UTC).date()
        return cls(first=last - (days - 1) * DAY, last=last)

    @property
    def start(self) -> datetime:
        return midnight(self.first)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return midnight(self.last + DAY)

    def days(self) -> list[date]:
        return [self.first + number * DAY for number in range((self.last - self.first).days + 1)]


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
