"""Who is next. The claim takes the first of this order, and the place shown to people is counted in it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q
from django.db.models.functions import Now

from gpu import kinds
from gpu.models import Job, Worker

# Who has waited this long goes first, whatever their plan: a picture is looked forward to, a training is come back to.
PATIENCE = timedelta(seconds=60)
LONG_PATIENCE = timedelta(minutes=10)
# What a better plan is worth among those who have all waited too long.
TIER_WORTH = timedelta(seconds=60)
# A job may be overtaken by this much, to spare the engine a change of styles.
WINDOW = timedelta(seconds=5)
# How long a started job counts against its artist's next one.
RECENT = timedelta(seconds=60)
# Artists are weighed against each other among the first so many; behind them the line is by age.
LOOK_AHEAD = 200

# The level of what is done quietly: behind everything, however long it waits.
LAST = 99

SEEN_RECENTLY = timedelta(seconds=60)


@dataclass(frozen=True)
class Waiting:
    """A queued job as far as the order is concerned. `level` 0 has waited too long; others stand by tier."""

    pk: int
    owner: int
    level: int
    came: float  # seconds; a better plan counts as having come earlier
    affinity: str


def line(waiting: list[Waiting], *, loaded: str, taken: Mapping[int, int]) -> Iterator[Waiting]:
    """The jobs in the order in which one worker would take them.

    `loaded` is the affinity of what the engine has in memory, `taken` how many jobs each artist has had lately.
    """
    left = sorted(waiting, key=lambda job: (job.level, job.came, job.pk))
    had = Counter(taken)

    def rank(job: Waiting) -> tuple[int, int, float, int]:
        return job.level, had[job.owner], job.came, job.pk

    while left:
        seen = left[:LOOK_AHEAD]
        best = min(seen, key=rank)
        until = best.came + WINDOW.total_seconds()
        peers = [job for job in seen if job.level == best.level and job.came <= until]
        chosen = min(peers, key=lambda job: (-shared(job.affinity, loaded), rank(job)))
        left.remove(chosen)
        had[chosen.owner] += 1
        loaded = chosen.affinity or loaded
        yield chosen


def shared(affinity: str, loaded: str) -> int:
    """How much of what a job needs is there: the words, from the first, that say the same.

    An affinity says the costliest to change first: the base, its styles, then the shape of a picture and its pace.
    """
    pairs = zip(affinity.split(), loaded.split(), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def ready() -> Q:
    """Queued, and not waiting out a failure."""
    return Q(state=Job.State.QUEUED) & (Q(not_before=None) | Q(not_before__lte=Now()))


def queue(which: Q) -> list[Waiting]:
    rows = Job.objects.filter(which).annotate(now=Now()).order_by("queued_at", "pk")
    return [
        Waiting(
            pk=pk,
            owner=owner,
            level=_level(kind, tier, now - queued_at),
            came=(queued_at + tier * TIER_WORTH).timestamp(),
            affinity=affinity,
        )
        for pk, owner, kind, tier, queued_at, affinity, now in rows.values_list(
            "pk", "owner_id", "kind", "tier", "queued_at", "affinity", "now"
        )
    ]


def _level(kind: str, tier: int, waited: timedelta) -> int:
    found = kinds.get(kind)
    if found.quiet:
        return LAST
    return 0 if waited >= (LONG_PATIENCE if found.gives_way else PATIENCE) else 1 + tier


def taken() -> dict[int, int]:
    """How many jobs of each artist run, or were started a moment ago."""
    lately = Q(state=Job.State.RUNNING) | Q(claimed_at__gt=Now() - RECENT)
    had = Job.objects.filter(lately).exclude(state=Job.State.QUEUED).exclude(kind__in=kinds.quiet_kinds()).order_by()
    return dict(had.values_list("owner_id").annotate(Count("pk")))


def position(job: Job) -> int | None:
    """The job's place in the line, 1 for the next; None when it does not wait."""
    return places().get(job.pk) if job.state == Job.State.QUEUED else None


def places() -> dict[int, int]:
    """Of every job in the line, by its key, its place: 1 for the next."""
    awake = Worker.objects.filter(seen_at__gt=Now() - SEEN_RECENTLY, draining_at=None).order_by("-seen_at")
    loaded = awake.values_list("loaded", flat=True).first() or ""
    waiting = queue(Q(state=Job.State.QUEUED))
    order = line(waiting, loaded=loaded, taken=taken())
    return {job.pk: place for place, job in enumerate(order, start=1)}


def somebody_waits() -> bool:
    """Whether short work has waited beyond its patience: long work then gives way."""
    waiting = Job.objects.filter(ready(), queued_at__lte=Now() - PATIENCE)
    return waiting.exclude(kind__in=[*kinds.long_kinds(), *kinds.quiet_kinds()]).exists()
