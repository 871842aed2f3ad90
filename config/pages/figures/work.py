"""What the GPUs did, and how often it failed."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, DurationField, ExpressionWrapper, F, Q, QuerySet, Sum

from config.pages.figures.period import Period
from gpu.models import Job

State = Job.State
GONE = "workers whose row is gone"


@dataclass(frozen=True)
class KindOfJob:
    """The jobs of one kind that ended in the period. `share`: of those that nobody cancelled."""

    kind: str
    succeeded: int
    failed: int
    cancelled: int
    failures: list[tuple[str, int]]  # by code, the most frequent first

    @property
    def share(self) -> float | None:
        tried = self.succeeded + self.failed
        return self.succeeded / tried if tried else None


@dataclass(frozen=True)
class GpuTime:
    """Hours between the first start and the end of the jobs of a worker that ended in the period."""

    worker: str
    jobs: int
    hours: float


def jobs(period: Period) -> list[KindOfJob]:
    ended = _ended(period)
    codes: dict[str, list[tuple[str, int]]] = {}
    failed = ended.filter(state=State.FAILED).values_list("kind", "error_code").annotate(count=Count("pk"))
    for kind, code, count in failed.order_by("-count", "error_code"):
        codes.setdefault(kind, []).append((code or "unnamed", count))
    rows = ended.values("kind").annotate(
        succeeded=Count("pk", filter=Q(state=State.SUCCEEDED)),
        failed=Count("pk", filter=Q(state=State.FAILED)),
        cancelled=Count("pk", filter=Q(state=State.CANCELLED)),
    )
    return [KindOfJob(failures=codes.get(row["kind"], []), **row) for row in rows.order_by("kind")]


def gpu_hours(period: Period) -> list[GpuTime]:
    took = ExpressionWrapper(F("finished_at") - F("started_at"), output_field=DurationField())
    rows = (
        _ended(period)
        .filter(started_at__isnull=False)
        .values_list("worker__name")
        .annotate(count=Count("pk"), sum=Sum(took))
        .order_by("worker__name")
    )
    return [GpuTime(worker=name or GONE, jobs=count, hours=sum.total_seconds() / 3600) for name, count, sum in rows]


def _ended(period: Period) -> QuerySet[Job]:
    return Job.objects.filter(finished_at__gte=period.start, finished_at__lt=period.end)
