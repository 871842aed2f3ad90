"""The pick: what the engine judged, what the artist sees of it, and who has the last word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.tokens import create_token
from config.kit import media
from gpu import lifecycle
from gpu.engine import contract
from gpu.models import Job
from styles.erasing import erase_style
from tests.training.ready import checkpoint_event, done_event, make_ready_style, running_run, sample_event
from training import actions
from training.job import build_spec
from training.models import Checkpoint, Run

pytestmark = pytest.mark.django_db

STEPS = (100, 200, 300, 400)


def deliver(job: Job, event: contract.Event) -> None:
    assert lifecycle.deliver(job_id=job.pk, fence=job.fence, event=event)


def judged(step: int, score: float, **facts: Any) -> contract.Judged:
    measures = {"likeness": 0.8, "following": 0.9, "leak": 0.0, "say": f"Reason for {step}."} | facts
    return contract.Judged(step=step, score=score, **measures)


def verdict(job: Job) -> contract.Verdict:
    """Step 300 is best; step 400 copies a work."""
    return contract.Verdict(
        job=str(job.public_id),
        judged=[
            judged(300, 0.7),
            judged(200, 0.6, likeness=0.5),
            judged(100, 0.3, likeness=0.2),
            judged(400, 0.1, leak=0.9),
        ],
        finalists=[300, 200, 100],
        say="Step 300 is closest to your works. Step 400 begins to repeat work 7.",
    )


def trained(folder: Path, *, with_verdict: bool = True, run: Run | None = None) -> tuple[Run, Job]:
    """A run that has ended, with four checkpoints and all its samples."""
    started = run or running_run()[0]
    job = Job.objects.get(run=started)
    for ordinal, step in enumerate((0, *STEPS)):
        if step:
            deliver(job, checkpoint_event(job, folder, ordinal=ordinal, step=step))
        for number in range(4):
            deliver(job, sample_event(job, folder, step=step, prompt_no=number))
    if with_verdict:
        deliver(job, verdict(job))
    assert lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job))
    started.refresh_from_db()
    return started, job


def test_the_version_is_what_the_engine_would_take(tmp_path: Path) -> None:
    run, _job = trained(tmp_path)

    picked = run.checkpoints.get(picked=True)
    assert (picked.step, picked.finalist, picked.score) == (300, 1, 0.7)
    run.adapter.refresh_from_db()
    assert (run.adapter.steps, run.adapter.sha256) == (300, picked.sha256)
    assert run.verdict.endswith("begins to repeat work 7.")
    assert [one.step for one in run.checkpoints.exclude(finalist=None).order_by("finalist")] == [300, 200, 100]


def test_without_a_verdict_the_last_checkpoint_is_taken(tmp_path: Path) -> None:
    run, _job = trained(tmp_path, with_verdict=False)

    assert run.checkpoints.get(picked=True).step == 400


def test_a_verdict_without_measures_names_the_last_and_says_so(tmp_path: Path, client: Client) -> None:
    run, job = running_run()
    deliver(job, checkpoint_event(job, tmp_path, ordinal=1, step=100))
    say = "The pictures could not be compared here, so the last checkpoint was taken."
    deliver(job, contract.Verdict(job=str(job.public_id), judged=[], finalists=[100], say=say))
    assert lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job))

    client.force_login(run.style.owner)
    page = client.get(f"/training/{run.style.public_id}/versions/").content.decode()
    assert say in page
    assert "Our pick" not in page
    assert "<meter" not in page


def test_a_second_verdict_of_a_resumed_run_replaces_the_first(tmp_path: Path) -> None:
    run, job = running_run()
    for ordinal, step in enumerate(STEPS[:2], start=1):
        deliver(job, checkpoint_event(job, tmp_path, ordinal=ordinal, step=step))
    for best, other in ((100, 200), (200, 100)):
        rank = [judged(best, 0.6), judged(other, 0.5)]
        said = contract.Verdict(job=str(job.public_id), judged=rank, finalists=[best, other], say=f"Step {best}.")
        deliver(job, said)

    places = dict(run.checkpoints.values_list("step", "finalist"))
    run.refresh_from_db()
    assert (places, run.verdict) == ({100: 2, 200: 1}, "Step 200.")


def test_the_page_shows_three_finalists_with_reasons_in_words(tmp_path: Path, client: Client) -> None:
    run, _job = trained(tmp_path)
    client.force_login(run.style.owner)
    page = client.get(f"/training/{run.style.public_id}/versions/").content.decode()

    assert "We would take step 300." in page
    assert "Step 400 begins to repeat work 7." in page
    assert page.count("Our pick") == 1
    assert page.count("<meter") == 12
    assert "1 other checkpoint" in page
    assert "Reason for 200." in page
    assert page.index("finalist-3") < page.index("finalist-2") < page.index("finalist-1")


def test_it_proves_its_effect_with_pairs_at_the_same_seeds(tmp_path: Path, client: Client) -> None:
    run, _job = trained(tmp_path)
    client.force_login(run.style.owner)
    page = client.get(f"/training/{run.style.public_id}/versions/").content.decode()

    assert page.count('class="comparison-slider"') == 4


def test_the_artist_has_the_last_word(tmp_path: Path, client: Client) -> None:
    run, _job = trained(tmp_path)
    earlier = run.checkpoints.get(step=200)
    client.force_login(run.style.owner)
    client.post(f"/training/checkpoints/{earlier.public_id}/choose/")

    run.adapter.refresh_from_db()
    assert run.adapter.steps == 200
    assert list(run.checkpoints.filter(picked=True)) == [earlier]
    page = client.get(f"/training/{run.style.public_id}/versions/").content.decode()
    assert "We would take step 300." in page  # the advice stays what it was
    assert page.count("This is the version") == 1


def test_two_versions_are_compared_at_the_same_seeds(tmp_path: Path, client: Client) -> None:
    style = make_ready_style()
    for _version in range(2):
        run, _job = running_run(style)
        trained(tmp_path, run=run)
    client.force_login(style.owner)
    page = client.get(f"/training/{style.public_id}/versions/compare/").content.decode()

    assert "Version 1 beside version 2." in page
    assert page.count('class="comparison-slider"') == 4
    swapped = client.get(f"/training/{style.public_id}/versions/compare/?a=2&b=1").content.decode()
    assert "Version 2 beside version 1." in swapped
    assert client.get(f"/training/{style.public_id}/versions/compare/?a=999&b=x").status_code == 200


def test_one_version_alone_is_not_compared(tmp_path: Path, client: Client) -> None:
    run, _job = trained(tmp_path)
    client.force_login(run.style.owner)
    answer = client.get(f"/training/{run.style.public_id}/versions/compare/")

    assert answer.headers["Location"] == f"/training/{run.style.public_id}/versions/"


def test_the_works_file_belongs_to_the_version_and_goes_with_it(tmp_path: Path) -> None:
    run, job = running_run()
    file = tmp_path / "works.safetensors"
    file.write_bytes(b"features")
    deliver(job, contract.Works(job=str(job.public_id), path=str(file), sha256="a" * 64))
    trained(tmp_path, run=run)

    run.adapter.refresh_from_db()
    key = run.adapter.works_key
    assert media.read(key) == b"features"
    erase_style(run.style)
    run.adapter.refresh_from_db()
    assert run.adapter.works_key == ""


def test_a_cancelled_run_leaves_no_works_file(tmp_path: Path) -> None:
    run, job = running_run()
    file = tmp_path / "works.safetensors"
    file.write_bytes(b"features")
    deliver(job, contract.Works(job=str(job.public_id), path=str(file), sha256="a" * 64))
    assert lifecycle.cancelled(job_id=job.pk, fence=job.fence)

    run.adapter.refresh_from_db()
    assert run.adapter.works_key == ""


def test_another_attempt_finds_what_an_earlier_one_made(tmp_path: Path) -> None:
    _run, job = running_run()
    deliver(job, checkpoint_event(job, tmp_path, ordinal=1, step=100))
    deliver(job, sample_event(job, tmp_path, step=100, prompt_no=0))
    deliver(job, sample_event(job, tmp_path, step=0, prompt_no=0))
    workdir = tmp_path / "second"
    build_spec(job, workdir)

    assert (workdir / "checkpoint-00100" / "lora.safetensors").read_bytes() == b"weights 1"
    assert (workdir / "checkpoint-00100" / "sample-0.png").is_file()
    assert (workdir / "checkpoint-00000" / "sample-0.png").is_file()


def test_the_held_out_loss_is_a_second_line(tmp_path: Path, client: Client) -> None:
    run, job = running_run()
    for step in (1, 2, 3):
        held_out = 0.2 if step != 2 else None
        deliver(job, contract.Metric(job=str(job.public_id), step=step, loss=0.1, held_out=held_out))
    client.force_login(run.style.owner)
    part = client.get(f"/training/runs/{run.public_id}/parts/loss/").content.decode()

    assert 'class="held"' in part
    assert "on works it is not shown: 0.200" in part


def test_a_choice_needs_an_ended_run(tmp_path: Path) -> None:
    run, job = running_run()
    deliver(job, checkpoint_event(job, tmp_path, ordinal=1, step=100))

    with pytest.raises(actions.Conflict):
        actions.choose_checkpoint(checkpoint=Checkpoint.objects.get(run=run))


def api_of(run: Run) -> Client:
    _token, plain = create_token(user=run.style.owner, name="test")
    return Client(headers={"authorization": f"Bearer {plain}"})


def test_a_program_reads_the_verdict_and_the_measures(tmp_path: Path) -> None:
    run, _job = trained(tmp_path)
    answer = api_of(run).get(f"/api/v1/styles/{run.style.public_id}/training").json()

    assert answer["verdict"] == run.verdict
    best = next(one for one in answer["checkpoints"] if one["finalist"] == 1)
    assert (best["step"], best["score"], best["leak"], best["picked"]) == (300, 0.7, 0.0, True)
    assert best["say"] == "Reason for 300."


def test_a_program_chooses_another_checkpoint(tmp_path: Path) -> None:
    run, _job = trained(tmp_path)
    api = api_of(run)
    chosen = api.post(f"/api/v1/styles/{run.style.public_id}/training/checkpoints/100/choose").json()

    assert chosen["steps"] == 100
    assert [one["step"] for one in chosen["checkpoints"] if one["picked"]] == [100]
    assert api.post(f"/api/v1/styles/{run.style.public_id}/training/checkpoints/77/choose").status_code == 404
