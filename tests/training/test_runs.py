"""A training from the button to the version, as the database sees it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client

from billing import ledger
from billing.models import CreditTransaction
from billing.plans import PRICES
from config.kit import media
from config.kit.errors import Conflict, Refusal
from gpu import lifecycle
from gpu.engine import contract
from gpu.models import Job
from styles.erasing import erase_style
from styles.models import Adapter, Style
from tests.builders import make_user
from tests.training.ready import checkpoint_event, done_event, make_ready_style, running_run, sample_event
from training import actions
from training.job import build_spec, run_of, snapshot_dir
from training.models import Metric, Run, Snapshot
from training.snapshots import step_of

pytestmark = pytest.mark.django_db


def deliver(job: Job, event: contract.Event) -> None:
    assert lifecycle.deliver(job_id=job.pk, fence=job.fence, event=event)


def test_it_holds_the_price_when_it_starts(settings: LazySettings) -> None:
    settings.BILLING = True
    owner = make_user()
    ledger.grant(user=owner, amount=50, source_ref="gift", say="A gift")
    run = actions.start_run(owner=owner, style=make_ready_style(owner), purpose="style", quality="standard")

    account = ledger.account_of(owner)
    assert run.job.price == 40
    assert (account.available, account.held) == (10, 40)


def test_it_starts_nothing_when_the_credits_do_not_reach(settings: LazySettings) -> None:
    settings.BILLING = True
    style = make_ready_style()

    with pytest.raises(ledger.InsufficientCredits):
        actions.start_run(owner=style.owner, style=style, purpose="style", quality="fine")
    assert not Run.objects.exists()
    assert not Adapter.objects.exists()
    assert not Job.objects.exists()


def test_the_page_says_before_the_press_that_the_credits_do_not_reach(settings: LazySettings, client: Client) -> None:
    settings.BILLING = True
    style = make_ready_style()
    ledger.grant(user=style.owner, amount=30, source_ref="gift", say="A gift")
    client.force_login(style.owner)
    offer = f"/training/{style.public_id}/offer/?purpose=style&quality="

    short = client.get(f"{offer}standard").content.decode()
    assert "This costs 40 credits and you have 30." in short
    assert "Starter: 300 credits a month" in short
    assert re.search(r"<button[^>]* disabled", short)
    enough = client.get(f"{offer}quick").content.decode()
    assert "you have" not in enough
    assert not re.search(r"<button[^>]* disabled", enough)


def test_it_refuses_a_second_run_of_the_same_style() -> None:
    run, _job = running_run()

    with pytest.raises(Conflict):
        actions.start_run(owner=run.style.owner, style=run.style, purpose="style", quality="quick")


def test_it_refuses_a_set_that_is_too_small() -> None:
    style = make_ready_style(works=5)

    with pytest.raises(Refusal, match="Add 15 more"):
        actions.start_run(owner=style.owner, style=style, purpose="style", quality="quick")


def test_it_learns_the_references_as_they_were_at_the_start() -> None:
    run, _job = running_run()
    first = run.style.references.first()
    assert first is not None
    first.caption = "something else"
    first.save()
    first.style.references.exclude(pk=first.pk).delete()

    assert [row.caption for row in run.run_references.all()][:2] == ["subject number 1", "subject number 2"]
    assert run.run_references.count() == 20


def test_its_spec_puts_the_trigger_word_into_every_sample(tmp_path: Path) -> None:
    run, job = running_run()
    spec = build_spec(job, tmp_path)

    assert isinstance(spec, contract.TrainLoraSpec)
    assert len(spec.images) == 20
    assert all(Path(image.path).exists() for image in spec.images)
    assert all(run.style.trigger_word in sample.prompt for sample in spec.samples)
    assert spec.checkpoint_steps[-1] == spec.steps


def test_it_pays_for_the_checkpoints_that_were_finished_when_it_is_stopped(
    settings: LazySettings, tmp_path: Path
) -> None:
    settings.BILLING = True
    style = make_ready_style()
    ledger.grant(user=style.owner, amount=50, source_ref="gift", say="A gift")
    _run, job = running_run(style)
    deliver(job, checkpoint_event(job, tmp_path, ordinal=1, step=100))

    assert lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job, "stopped"))
    account = ledger.account_of(style.owner)
    assert (account.available, account.held) == (40, 0)


def test_it_pays_what_was_held_though_a_checkpoint_costs_more_by_then(
    settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BILLING = True
    style = make_ready_style()
    ledger.grant(user=style.owner, amount=50, source_ref="gift", say="A gift")
    run, job = running_run(style)
    for ordinal, step in enumerate(run.settings["checkpoint_steps"], start=1):
        deliver(job, checkpoint_event(job, tmp_path, ordinal=ordinal, step=step))
    monkeypatch.setitem(PRICES, "checkpoint", 12)

    assert lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job))
    account = ledger.account_of(style.owner)
    assert (account.available, account.held) == (10, 0)
    line = CreditTransaction.objects.get(kind=CreditTransaction.Kind.CAPTURE)
    assert [credits for _label, credits in line.parts] == [10, 10, 10, 10]


def test_it_uses_the_last_checkpoint_as_the_version(tmp_path: Path) -> None:
    run, job = running_run()
    for ordinal, step in ((1, 100), (2, 200)):
        deliver(job, checkpoint_event(job, tmp_path, ordinal=ordinal, step=step))
    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job))

    style = Style.objects.get(pk=run.style.pk)
    assert style.status == Style.Status.TRAINED
    assert style.active_adapter is not None
    assert style.active_adapter.steps == 200
    assert media.read(style.active_adapter.key) == b"weights 2"


def test_it_keeps_nothing_and_pays_nothing_when_it_is_stopped_before_the_first_checkpoint(
    settings: LazySettings,
) -> None:
    settings.BILLING = True
    style = make_ready_style()
    ledger.grant(user=style.owner, amount=50, source_ref="gift", say="A gift")
    _run, job = running_run(style)
    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job, "stopped"))

    account = ledger.account_of(style.owner)
    assert (account.available, account.held) == (50, 0)
    assert Style.objects.get(pk=style.pk).active_adapter is None


@pytest.mark.django_db(transaction=True)
def test_it_releases_the_hold_and_drops_the_files_when_training_fails(settings: LazySettings, tmp_path: Path) -> None:
    settings.BILLING = True
    style = make_ready_style()
    ledger.grant(user=style.owner, amount=50, source_ref=f"gift {style.pk}", say="A gift")
    run, job = running_run(style)
    deliver(job, checkpoint_event(job, tmp_path, ordinal=1, step=100))
    deliver(job, sample_event(job, tmp_path, step=100, prompt_no=0))
    keys = [run.checkpoints.get().key, run.samples.get().key]
    lifecycle.fail(job_id=job.pk, fence=job.fence, code="nan_loss", say="The training lost its way.")

    account = ledger.account_of(style.owner)
    assert (account.available, account.held) == (50, 0)
    assert Style.objects.get(pk=style.pk).status == Style.Status.FAILED
    assert [key for key in keys if media.exists(key)] == []


def test_an_earlier_version_stays_in_use_when_a_later_run_fails(tmp_path: Path) -> None:
    first, job = running_run()
    deliver(job, checkpoint_event(job, tmp_path, ordinal=1, step=100))
    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job))
    _second, job = running_run(first.style)
    lifecycle.fail(job_id=job.pk, fence=job.fence, code="nan_loss", say="The training lost its way.")

    style = Style.objects.get(pk=first.style.pk)
    assert style.status == Style.Status.TRAINED
    assert style.active_adapter == first.adapter


def test_a_resumed_run_that_repeats_its_events_changes_nothing(tmp_path: Path) -> None:
    run, job = running_run()
    for _time in range(2):
        deliver(job, checkpoint_event(job, tmp_path, ordinal=1, step=100))
        deliver(job, sample_event(job, tmp_path, step=100, prompt_no=0))
        deliver(job, contract.Metric(job=str(job.public_id), step=1, loss=0.5))

    assert (run.checkpoints.count(), run.samples.count(), Metric.objects.count()) == (1, 1, 1)


def write_snapshot(job: Job, folder: Path, *, step: int) -> contract.Snapshot:
    """As the engine leaves it: a safetensors file without tensors, its counters in the header."""
    path = folder / "snapshot.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    header = json.dumps({"__metadata__": {"state": json.dumps({"step": step})}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return contract.Snapshot(job=str(job.public_id), step=step, path=str(path))


def restored_step(job: Job) -> int:
    return step_of((snapshot_dir(job) / "snapshot.safetensors").read_bytes())


def test_its_snapshot_comes_back_on_another_machine(settings: LazySettings, tmp_path: Path) -> None:
    settings.STATE_DIR = tmp_path / "here"
    _run, job = running_run()
    deliver(job, write_snapshot(job, snapshot_dir(job), step=100))

    settings.STATE_DIR = tmp_path / "there"
    build_spec(job, tmp_path / "attempt")
    assert restored_step(job) == 100


def test_it_resumes_from_what_the_database_knows_and_not_from_a_later_file(
    settings: LazySettings, tmp_path: Path
) -> None:
    settings.STATE_DIR = tmp_path
    _run, job = running_run()
    deliver(job, write_snapshot(job, snapshot_dir(job), step=100))
    write_snapshot(job, snapshot_dir(job), step=200)

    build_spec(job, tmp_path / "attempt")
    assert restored_step(job) == 100


def test_a_snapshot_that_was_replaced_meanwhile_waits_for_its_own_event(tmp_path: Path) -> None:
    run, job = running_run()
    early = write_snapshot(job, tmp_path, step=100)
    late = write_snapshot(job, tmp_path, step=200)

    deliver(job, early)
    assert not Snapshot.objects.filter(run=run).exists()
    deliver(job, late)
    assert Snapshot.objects.get(run=run).step == 200


def test_only_the_latest_snapshot_is_kept_and_none_after_the_end(tmp_path: Path) -> None:
    run, job = running_run()
    for step in (100, 200):
        deliver(job, write_snapshot(job, tmp_path, step=step))
    assert Snapshot.objects.get(run=run).step == 200

    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job, "stopped"))
    assert not Snapshot.objects.exists()


def test_a_failed_run_can_be_tried_again_with_a_hold_of_its_own(settings: LazySettings) -> None:
    run, job = running_run()
    lifecycle.fail(job_id=job.pk, fence=job.fence, code="nan_loss", say="The training lost its way.")
    again = actions.retry_run(run=run_of(Job.objects.get(pk=job.pk)))

    assert again.pk != run.pk
    assert again.job.hold != run.job.hold
    assert again.settings["steps"] == run.settings["steps"]


def test_another_try_has_the_same_wishes(settings: LazySettings) -> None:
    style = make_ready_style()
    wishes = {"rank": 4, "learning_rate": 5e-4, "method": "textual_inversion"}
    run = actions.start_run(owner=style.owner, style=style, purpose="style", quality="quick", advanced=wishes)
    lifecycle.request_cancel(job_id=run.job.pk)
    again = actions.retry_run(run=run_of(Job.objects.get(pk=run.job.pk)))

    assert {name: again.settings[name] for name in wishes} == wishes
    assert again.adapter.method == "textual_inversion"


def test_its_spec_says_the_method_and_all_it_needs(tmp_path: Path) -> None:
    style = make_ready_style()
    Style.objects.filter(pk=style.pk).update(kind="character")
    style.refresh_from_db()
    run = actions.start_run(
        owner=style.owner, style=style, purpose="character", quality="quick", advanced={"method": "dreambooth"}
    )
    spec = build_spec(run.job, tmp_path)

    assert isinstance(spec, contract.TrainLoraSpec)
    assert (spec.method, spec.class_prompt, spec.prior_images) == ("dreambooth", "a character", 40)
    assert round(spec.held_out * len(spec.images)) == 2
    assert spec.cache_dir


def test_a_running_run_cannot_be_tried_again() -> None:
    run, _job = running_run()

    with pytest.raises(Conflict):
        actions.retry_run(run=run_of(run.job))


def test_the_artist_may_take_an_earlier_checkpoint(tmp_path: Path) -> None:
    run, job = running_run()
    for ordinal, step in ((1, 100), (2, 200)):
        deliver(job, checkpoint_event(job, tmp_path, ordinal=ordinal, step=step))
    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job))
    adapter = actions.choose_checkpoint(checkpoint=run.checkpoints.get(ordinal=1))

    assert adapter.steps == 100
    assert media.read(adapter.key) == b"weights 1"
    assert [checkpoint.picked for checkpoint in run.checkpoints.all()] == [True, False]


def test_a_checkpoint_is_not_chosen_while_the_run_goes_on(tmp_path: Path) -> None:
    run, job = running_run()
    deliver(job, checkpoint_event(job, tmp_path, ordinal=1, step=100))

    with pytest.raises(Conflict):
        actions.choose_checkpoint(checkpoint=run.checkpoints.get())


@pytest.mark.django_db(transaction=True)
def test_nothing_learned_outlives_an_erased_style(tmp_path: Path) -> None:
    run, job = running_run()
    deliver(job, checkpoint_event(job, tmp_path, ordinal=1, step=100))
    deliver(job, sample_event(job, tmp_path, step=100, prompt_no=0))
    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done_event(job))
    keys = [run.checkpoints.get().key, run.samples.get().key]
    erase_style(run.style)

    assert [key for key in keys if media.exists(key)] == []
    assert not run.checkpoints.exists()


def test_a_run_of_an_erased_style_is_cancelled() -> None:
    run, job = running_run()
    erase_style(run.style)

    job.refresh_from_db()
    assert job.cancel_at is not None
