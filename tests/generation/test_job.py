"""A picture's way through the queue: what the engine gets, what is hung, what is paid."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest
from django.db import connection

from billing.ledger import account_of
from config.kit import media
from config.kit.errors import Conflict, Refusal
from gallery.models import Artwork
from generation import actions
from generation.job import kind_of
from generation.queries import state_of
from gpu import lifecycle
from gpu.engine import contract
from tests.builders import make_style, make_version
from tests.generation.making import ask, claimed, deliver, done, finish, make_artist

pytestmark = pytest.mark.django_db

TEXT_TO_IMAGE = kind_of("text_to_image")


def test_the_engine_gets_the_prompt_the_seed_and_the_weights_of_the_styles(tmp_path: Path) -> None:
    artist = make_artist()
    style = make_style(artist)
    adapter = make_version(style, weights=b"some weights")
    wish = {"width": 96, "height": 128, "steps": 7, "guidance": 2.5, "seed": 5, "negative_prompt": "fog"}
    request = ask(artist, styles=[{"id": style.public_id, "weight": 0.7}], count=2, **wish)
    output = request.outputs.get(ordinal=1)
    spec = TEXT_TO_IMAGE.build_spec(output.job, tmp_path)
    assert isinstance(spec, contract.TextToImageSpec)
    assert (spec.base, spec.out_dir, spec.seed, spec.steps, spec.guidance) == ("starter", str(tmp_path), 6, 7, 2.5)
    assert (spec.width, spec.height, spec.negative_prompt) == (96, 128, "fog")
    assert spec.prompt == f"a fox in the snow, {style.trigger_word}"
    assert [(one.sha256, one.weight) for one in spec.styles] == [(adapter.sha256, 0.7)]
    assert Path(spec.styles[0].path).read_bytes() == b"some weights"


def test_weights_are_fetched_once(tmp_path: Path) -> None:
    artist = make_artist()
    style = make_style(artist)
    adapter = make_version(style)
    job = ask(artist, styles=[{"id": style.public_id}]).outputs.get().job
    first = TEXT_TO_IMAGE.build_spec(job, tmp_path)
    media.delete(adapter.key)
    assert TEXT_TO_IMAGE.build_spec(job, tmp_path) == first


def test_weights_that_nobody_used_for_a_week_leave_the_workers_disk(tmp_path: Path) -> None:
    artist = make_artist()
    one, two = make_style(artist, name="One"), make_style(artist, name="Two")
    for style in (one, two):
        make_version(style)
    jobs = [ask(artist, styles=[{"id": style.public_id}]).outputs.get().job for style in (one, two)]
    first, second = (Path(TEXT_TO_IMAGE.build_spec(job, tmp_path).styles[0].path) for job in jobs)  # type: ignore[union-attr]
    assert first.exists()
    assert second.exists()
    os.utime(first, (time.time() - 8 * 24 * 3600,) * 2)
    TEXT_TO_IMAGE.build_spec(jobs[1], tmp_path)
    assert not first.exists()
    assert second.exists()


def test_damaged_weights_never_reach_the_engine(tmp_path: Path) -> None:
    artist = make_artist()
    style = make_style(artist)
    adapter = make_version(style)
    media.save(adapter.key, b"something else")
    job = ask(artist, styles=[{"id": style.public_id}]).outputs.get().job
    with pytest.raises(Refusal, match="damaged"):
        TEXT_TO_IMAGE.build_spec(job, tmp_path)


def test_success_hangs_the_picture_with_its_recipe_and_takes_its_price(tmp_path: Path) -> None:
    artist = make_artist(credits=5)
    style = make_style(artist)
    adapter = make_version(style)
    request = ask(artist, count=2, seed=41, styles=[{"id": style.public_id, "weight": 0.5}])
    output = finish(request.outputs.get(ordinal=1), tmp_path)
    artwork = output.artwork
    assert artwork is not None
    assert artwork.owner == artist
    assert (artwork.prompt, artwork.seed) == ("a fox in the snow", 42)
    assert artwork.recipe["prompt"] == f"a fox in the snow, {style.trigger_word}"
    assert (artwork.recipe["seconds"], artwork.recipe["paid"], artwork.recipe["model"]) == (1.5, 1, "starter")
    assert artwork.recipe["styles"][0]["sha256"] == adapter.sha256
    link = artwork.style_links.get()
    assert (link.style, link.adapter, link.weight) == (style, adapter, 0.5)
    assert hashlib.sha256(media.read(artwork.key)).hexdigest() == artwork.sha256
    purse = account_of(artist)
    assert (purse.available, purse.held) == (3, 1)


def test_success_told_twice_publishes_and_pays_once(tmp_path: Path) -> None:
    artist = make_artist(credits=5)
    output = ask(artist).outputs.get()
    job = claimed(output)
    deliver(job, tmp_path)
    assert lifecycle.succeed(job_id=job.public_id, fence=job.fence, done=done(job))
    assert not lifecycle.succeed(job_id=job.public_id, fence=job.fence, done=done(job))
    assert Artwork.objects.count() == 1
    assert account_of(artist).available == 4


def test_a_second_attempt_publishes_its_own_file_and_leaves_no_other(tmp_path: Path) -> None:
    output = ask().outputs.get()
    first = claimed(output)
    deliver(first, tmp_path, colour="red")
    assert lifecycle.requeue(job_id=first.public_id)
    output.refresh_from_db()
    assert output.file == ""
    second = claimed(output)
    deliver(second, tmp_path, colour="lime")
    assert not lifecycle.succeed(job_id=first.public_id, fence=first.fence, done=done(first))
    assert lifecycle.succeed(job_id=second.public_id, fence=second.fence, done=done(second))
    artwork = Artwork.objects.get()
    assert artwork.tone == "#009900"
    assert artwork.key == f"artworks/{second.public_id}.png"


def test_without_a_file_there_is_no_success(tmp_path: Path) -> None:
    artist = make_artist(credits=5)
    output = ask(artist).outputs.get()
    job = claimed(output)
    with pytest.raises(OSError):
        lifecycle.succeed(job_id=job.public_id, fence=job.fence, done=done(job))
    job.refresh_from_db()
    assert job.state == "running"
    assert account_of(artist).held == 1


def test_cancelling_releases_what_was_held_and_keeps_what_is_finished(tmp_path: Path) -> None:
    artist = make_artist(credits=5)
    request = ask(artist, count=3)
    finish(request.outputs.get(ordinal=0), tmp_path)
    running = claimed(request.outputs.get(ordinal=1))
    actions.cancel_request(request=request)
    assert lifecycle.signals(job_id=running.public_id, fence=running.fence).cancel
    assert lifecycle.cancelled(job_id=running.public_id, fence=running.fence)
    purse = account_of(artist)
    assert (purse.available, purse.held) == (4, 0)
    assert Artwork.objects.count() == 1
    request.refresh_from_db()
    assert state_of(request) == "succeeded"


def test_cancelling_in_the_line_costs_nothing_at_once() -> None:
    artist = make_artist(credits=5)
    request = ask(artist, count=3)
    actions.cancel_request(request=request)
    assert account_of(artist).held == 0
    assert state_of(request) == "cancelled"


def test_retry_is_a_new_job_with_a_new_hold_and_the_same_seed(tmp_path: Path) -> None:
    artist = make_artist(credits=5)
    output = ask(artist, seed=9).outputs.get()
    first = claimed(output)
    lifecycle.fail(job_id=first.public_id, fence=first.fence, code="broken", say="It broke.")
    assert account_of(artist).held == 0
    tried = actions.retry_output(output=output)
    assert tried.job_id != first.pk
    assert account_of(artist).held == 1
    assert finish(tried, tmp_path).artwork is not None
    spec = TEXT_TO_IMAGE.build_spec(tried.job, tmp_path)
    assert isinstance(spec, contract.TextToImageSpec)
    assert spec.seed == 9


def test_only_what_failed_or_was_cancelled_is_tried_again(tmp_path: Path) -> None:
    output = ask().outputs.get()
    with pytest.raises(Conflict):
        actions.retry_output(output=output)
    finish(output, tmp_path)
    with pytest.raises(Conflict):
        actions.retry_output(output=output)
    with pytest.raises(Conflict):
        actions.retry_request(request=output.request)


@pytest.mark.django_db(transaction=True)
def test_two_retries_at_once_make_one_job() -> None:
    artist = make_artist(credits=5)
    output = ask(artist).outputs.get()
    actions.cancel_output(output=output)
    refused: list[Exception] = []

    def retry() -> None:
        try:
            actions.retry_output(output=output)
        except Conflict as conflict:
            refused.append(conflict)
        finally:
            connection.close()

    threads = [threading.Thread(target=retry) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert account_of(artist).held == 1


def test_deleting_a_request_stops_it_and_leaves_its_pictures(tmp_path: Path) -> None:
    artist = make_artist(credits=5)
    request = ask(artist, count=2)
    finish(request.outputs.get(ordinal=0), tmp_path)
    actions.delete_request(request=request)
    assert request.deleted_at is not None
    assert Artwork.objects.owned_by(artist).count() == 1
    assert request.outputs.get(ordinal=1).job.state == "cancelled"


def test_the_state_of_a_request_is_that_of_its_jobs(tmp_path: Path) -> None:
    request = ask(count=3)
    assert state_of(request) == "queued"
    first, second, third = request.outputs.all()
    finish(first, tmp_path)
    assert state_of(request) == "running"
    for output in (second, third):
        job = claimed(output)
        assert lifecycle.fail(job_id=job.public_id, fence=job.fence, code="broken", say="It broke.")
    assert state_of(request) == "succeeded"
