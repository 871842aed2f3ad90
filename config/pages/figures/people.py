"""Who signs up, who comes back, and who becomes a customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, timedelta

from allauth.account.models import EmailAddress
from django.db.models import Count, DateTimeField, Exists, ExpressionWrapper, F, OuterRef, QuerySet
from django.db.models.functions import TruncDate, TruncDay

from accounts.models import User
from billing.models import CreditGrant
from config.pages.figures.money import PAID
from config.pages.figures.period import DAY, Period, midnight
from gpu import kinds
from gpu.models import Job
from training.actions import KIND as TRAINING

RETENTION = (1, 7, 30)


@dataclass(frozen=True)
class Retention:
    """Of those whose day `day` after the sign-up lay in the period and is over: how many asked for a job on it."""

    day: int
    people: int
    back: int

    @property
    def share(self) -> float | None:
        return self.back / self.people if self.people else None


@dataclass(frozen=True)
class Conversion:
    """Of those who signed up in the period: how many have since got so far."""

    signed_up: int
    verified: int
    trained: int
    paying: int

    def steps(self) -> list[tuple[str, int, float | None]]:
        """Each step with its share of those who signed up."""
        named = (
            ("Signed up", self.signed_up),
            ("Proved their address", self.verified),
            ("Trained a style", self.trained),
            ("Bought a plan or a pack", self.paying),
        )
        return [(name, count, count / self.signed_up if self.signed_up else None) for name, count in named]


def sign_ups(period: Period) -> list[tuple[date, int]]:
    """How many accounts were made on each day."""
    counted = dict(
        _joined(period).annotate(day=TruncDate("date_joined", tzinfo=UTC)).values_list("day").annotate(Count("pk"))
    )
    return [(day, counted.get(day, 0)) for day in period.days()]


def retention(period: Period, day: int) -> Retention:
    """What is done quietly on the side nobody asked for. A day that is not over says nothing: today is left out."""
    since, until = midnight(period.first - day * DAY), midnight(period.last - day * DAY)
    cohort = User.objects.filter(date_joined__gte=since, date_joined__lt=until)
    that_day = ExpressionWrapper(
        TruncDay("owner__date_joined", tzinfo=UTC) + timedelta(days=day), output_field=DateTimeField()
    )
    asked = Job.objects.exclude(kind__in=kinds.quiet_kinds()).filter(owner__in=cohort, created_at__gte=period.start)
    back = asked.annotate(on=TruncDay("created_at", tzinfo=UTC), that_day=that_day).filter(on=F("that_day"))
    return Retention(day=day, people=cohort.count(), back=back.values("owner").distinct().count())


def conversion(period: Period) -> Conversion:
    own = {"user": OuterRef("pk")}
    bought = CreditGrant.objects.filter(PAID, account__user=OuterRef("pk"))
    found = _joined(period).aggregate(
        signed_up=Count("pk"),
        verified=Count("pk", filter=Exists(EmailAddress.objects.filter(verified=True, **own))),
        trained=Count("pk", filter=Exists(Job.objects.filter(kind=TRAINING, owner=OuterRef("pk")))),
        paying=Count("pk", filter=Exists(bought)),
    )
    return Conversion(**found)


def _joined(period: Period) -> QuerySet[User]:
    return User.objects.filter(date_joined__gte=period.start, date_joined__lt=period.end)
