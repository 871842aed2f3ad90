"""Who is next: the order of the claim, and the place that people are shown."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from accounts.models import User
from gpu import lifecycle
from gpu.lifecycle.line import LOOK_AHEAD, Waiting, line
from gpu.models import Job, Worker
from tests.fakes import probe
from tests.gpu.conftest import make_artist, make_worker, submit

pytestmark = pytest.mark.django_db


def waiting(pk: int, *, owner: int = 1, level: int = 1, came: float = 0, affinity: str = "") -> Waiting:
    return Waiting(pk=pk, owner=owner, level=level, came=came, affinity=affinity)


def order(*jobs: Waiting, loaded: str = "", taken: dict[int, int] | None = None) -> list[int]:
    return [job.pk for job in line(list(jobs), loaded=loaded, taken=taken or {})]


def test_the_better_plan_goes_first_and_then_who_came_first() -> None:
    assert order(waiting(1, level=3, came=1), waiting(2, level=1, came=9), waiting(3, level=1, came=5)) == [3, 2, 1]


def test_who_has_waited_too_long_goes_before_every_plan() -> None:
    assert order(waiting(1, level=1, came=1), waiting(2, level=0, came=5)) == [2, 1]


def test_artists_take_turns() -> None:
    batch = [waiting(pk, owner=1, came=pk) for pk in (1, 2, 3)]
    others = [waiting(4, owner=2, came=10), waiting(5, owner=3, came=11)]

    assert order(*batch, *others) == [1, 4, 5, 2, 3]


def test_who_has_just_had_a_job_lets_another_go_first() -> None:
    assert order(waiting(1, owner=1, came=1), waiting(2, owner=2, came=30), taken={1: 1}) == [2, 1]


def test_what_is_loaded_goes_first_but_overtakes_by_five_seconds_at_most() -> None:
    assert order(waiting(1, came=0, affinity="a"), waiting(2, came=4, affinity="b"), loaded="b") == [2, 1]
    assert order(waiting(1, came=0, affinity="a"), waiting(2, came=6, affinity="b"), loaded="b") == [1, 2]


def test_alike_jobs_run_after_one_another() -> None:
    jobs = [waiting(pk, owner=pk, came=pk * 0.1, affinity="ab"[pk % 2]) for pk in range(6)]

    assert order(*jobs, loaded="a") == [0, 2, 4, 1, 3, 5]


def test_what_is_loaded_does_not_outweigh_a_plan() -> None:
    assert order(waiting(1, level=1), waiting(2, level=2, affinity="b"), loaded="b") == [1, 2]


def test_what_is_most_like_what_is_loaded_goes_first_within_the_window() -> None:
    loaded = "sdxl styles1 1024x1024 30"
    other, base = waiting(1, came=0, affinity="starter x 128x128 20"), waiting(2, came=1, affinity="sdxl styles2")
    styles, alike = waiting(3, came=2, affinity="sdxl styles1 768x768 30"), waiting(4, came=3, affinity=loaded)
    assert order(other, base, styles, alike, loaded=loaded) == [4, 3, 2, 1]


def test_a_name_that_only_begins_alike_is_not_alike() -> None:
    assert order(waiting(1, came=0, affinity="a"), waiting(2, came=1, affinity="bc"), loaded="b") == [1, 2]


def test_a_long_line_is_served_whole_and_each_job_once() -> None:
    jobs = [waiting(pk, owner=pk % 7, came=pk) for pk in range(LOOK_AHEAD * 2)]

    assert sorted(order(*jobs)) == list(range(LOOK_AHEAD * 2))


# --- with rows ---


def waited(job: Job, seconds: float) -> Job:
    Job.objects.filter(pk=job.pk).update(queued_at=Now() - timedelta(seconds=seconds))
    job.refresh_from_db()
    return job


def with_tier(job: Job, tier: Job.Tier) -> Job:
    Job.objects.filter(pk=job.pk).update(tier=tier)
    job.refresh_from_db()
    return job


def test_a_standard_job_that_waited_a_minute_goes_before_a_new_first_one(artist: User) -> None:
    new = with_tier(submit(artist), Job.Tier.FIRST)
    old = with_tier(waited(submit(make_artist()), 61), Job.Tier.STANDARD)

    assert (lifecycle.position(old), lifecycle.position(new)) == (1, 2)


def test_among_those_who_waited_too_long_a_better_plan_counts_as_a_minute_more(artist: User) -> None:
    standard = with_tier(waited(submit(artist), 90), Job.Tier.STANDARD)
    first = with_tier(waited(submit(make_artist()), 65), Job.Tier.FIRST)

    assert (lifecycle.position(first), lifecycle.position(standard)) == (1, 2)


def test_a_training_has_more_patience_than_a_picture(artist: User) -> None:
    training = waited(submit(artist, kind=probe.LONG), 120)
    picture = waited(submit(make_artist()), 61)

    assert (lifecycle.position(picture), lifecycle.position(training)) == (1, 2)


def test_only_what_waits_has_a_place(artist: User) -> None:
    job = submit(artist)
    assert lifecycle.position(job) == 1

    running = lifecycle.claim(worker=make_worker())

    assert running == job
    assert lifecycle.position(running) is None


def test_the_place_knows_what_the_worker_has_loaded(artist: User) -> None:
    make_worker(loaded="b")
    a, b = submit(artist, affinity="a"), submit(make_artist(), affinity="b")

    assert (lifecycle.position(b), lifecycle.position(a)) == (1, 2)
    assert lifecycle.claim(worker=Worker.objects.get()) == b
    assert Worker.objects.get().loaded == "b"


@pytest.mark.parametrize("seed", range(4))
def test_the_places_shown_are_the_order_of_the_claims(seed: int, artist: User) -> None:
    chance = random.Random(seed)
    artists = [artist, make_artist(), make_artist()]
    worker = make_worker(loaded="a")
    for _ in range(12):
        job = submit(chance.choice(artists), affinity=chance.choice(["", "a", "b"]), price=0)
        job = with_tier(job, chance.choice(list(Job.Tier)))
        waited(job, chance.choice([0, 3, 20, 70, 100]))
    shown = {lifecycle.position(job): job for job in Job.objects.all()}

    claimed = []
    while job := lifecycle.claim(worker=worker):
        claimed.append(job)

    assert sorted(shown) == list(range(1, 13))
    assert claimed == [shown[place] for place in sorted(shown)]
