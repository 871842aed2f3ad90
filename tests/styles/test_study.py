"""The engine looks at a set: when it does, what is kept of it, and whose word counts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from gpu import fragments as job_fragments
from gpu import lifecycle
from gpu.engine import contract
from gpu.models import Job, Worker
from styles import actions, fragments
from styles.job import build_spec
from styles.models import Reference, Style
from styles.report import dataset_report
from tests.builders import make_style

pytestmark = pytest.mark.django_db


def settled_style(*, works: int = 8) -> Style:
    """A style whose last work came a minute ago."""
    style = make_style(works=works)
    style.references.update(created_at=timezone.now() - timedelta(minutes=1))
    return style


def a_worker() -> Worker:
    return Worker.objects.create(name="tests", seen_at=timezone.now())


def studied(style: Style, position: int, **facts: object) -> None:
    work = style.references.get(position=position)
    known = {"oddness": 0.2, "odd": False, "caption": ""} | facts
    actions.note_study(style=style, work=str(work.public_id), **known)  # type: ignore[arg-type]


def test_a_settled_set_is_looked_at_once() -> None:
    style = settled_style()
    a_worker()

    assert actions.start_due_studies() == 1
    assert actions.start_due_studies() == 0
    job = Job.objects.get()
    assert (job.kind, job.subject, job.price, job.hold) == ("study", style.public_id, 0, None)


def test_a_set_that_is_still_growing_is_left_alone() -> None:
    make_style(works=8)
    a_worker()

    assert actions.start_due_studies() == 0


def test_a_new_work_has_the_set_looked_at_again() -> None:
    style = settled_style()
    a_worker()
    actions.start_due_studies()
    Job.objects.update(created_at=timezone.now() - timedelta(seconds=50))
    style.references.filter(position=1).update(created_at=timezone.now() - timedelta(seconds=20))

    assert actions.start_due_studies() == 1


def test_without_a_worker_nothing_happens_and_nothing_waits() -> None:
    settled_style()

    assert actions.start_due_studies() == 0
    assert not Job.objects.exists()


def test_a_handful_of_works_is_not_looked_at() -> None:
    settled_style(works=5)
    a_worker()

    assert actions.start_due_studies() == 0


def test_it_is_not_shown_as_work_and_goes_behind_all_other_work() -> None:
    style = settled_style()
    worker = a_worker()
    actions.start_due_studies()
    assert 'href="/styles/' not in job_fragments.job_list(style.owner)
    Job.objects.update(queued_at=timezone.now() - timedelta(hours=1))
    other = lifecycle.submit(owner=style.owner, kind="text_to_image", subject=style.public_id, price=0, say="a picture")

    claimed = lifecycle.claim(worker=worker)
    assert claimed is not None
    assert claimed.pk == other.pk


def test_it_reads_the_works_as_they_are_now(tmp_path: Path) -> None:
    style = settled_style()
    a_worker()
    actions.start_due_studies()
    actions.delete_reference(reference=style.references.get(position=3))
    spec = build_spec(Job.objects.get(), tmp_path)

    assert isinstance(spec, contract.StudySpec)
    assert len(spec.images) == 7
    assert all(Path(image.path).is_file() for image in spec.images)


def test_what_the_engine_says_is_kept_through_the_queue() -> None:
    style = settled_style()
    worker = a_worker()
    actions.start_due_studies()
    job = lifecycle.claim(worker=worker)
    assert job is not None
    work = style.references.get(position=2)
    event = contract.Studied(job=str(job.public_id), image=str(work.public_id), oddness=0.9, odd=True)
    assert lifecycle.deliver(job_id=job.pk, fence=job.fence, event=event)
    done = contract.Done(job=str(job.public_id), outcome="finished", seconds=1.0)
    assert lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done)

    work.refresh_from_db()
    assert (work.oddness, work.verdict) == (0.9, "remarked")
    assert [remark["code"] for remark in work.remarks] == ["odd_one_out"]


def test_the_report_and_the_sheet_name_the_odd_one() -> None:
    style = settled_style()
    for position in range(1, 9):
        studied(style, position, odd=position == 5, oddness=0.8 if position == 5 else 0.1)

    lacks = {finding.code: finding for finding in dataset_report(style).lacks}
    assert lacks["odd_one_out"].images == [5]
    assert "stands apart" in fragments.studied(style)


def test_the_artist_may_say_that_it_belongs_and_is_not_asked_again(client: Client) -> None:
    style = settled_style()
    studied(style, 5, odd=True, oddness=0.8)
    work = style.references.get(position=5)
    client.force_login(style.owner)
    drawer = client.get(f"/styles/{style.public_id}/works/{work.public_id}/", headers={"HX-Request": "true"})
    assert "It belongs: keep it" in drawer.content.decode()
    client.post(f"/styles/{style.public_id}/works/{work.public_id}/keep/")
    studied(style, 5, odd=True, oddness=0.8)

    work.refresh_from_db()
    assert (work.remarks, work.verdict) == ([], "accepted")


def test_a_work_that_is_odd_no_longer_loses_that_remark_alone() -> None:
    style = settled_style()
    small = [{"code": "small", "say": "It is small."}]
    style.references.filter(position=2).update(remarks=small, verdict="remarked")
    studied(style, 2, odd=True)
    studied(style, 2, odd=False)

    work = style.references.get(position=2)
    assert (work.remarks, work.verdict) == (small, "remarked")


@pytest.mark.parametrize(
    ("caption", "source", "expected"),
    [
        ("", "filename", "a fox asleep"),
        ("img 4711", "filename", "a fox asleep"),
        ("what it saw before", "model", "a fox asleep"),
        ("my own words", "person", "my own words"),
        ("from the file", "sidecar", "from the file"),
    ],
)
def test_it_writes_a_caption_only_where_the_artist_has_not(caption: str, source: str, expected: str) -> None:
    style = settled_style()
    style.references.filter(position=1).update(caption=caption, caption_source=source)
    studied(style, 1, caption="a fox asleep")

    work = style.references.get(position=1)
    assert work.caption == expected
    assert work.caption_source == ("model" if expected == "a fox asleep" else source)


def test_without_a_captioner_the_suggestion_stays() -> None:
    style = settled_style()
    before = style.references.get(position=1)
    studied(style, 1, caption="")

    after = style.references.get(position=1)
    assert (after.caption, after.caption_source) == (before.caption, before.caption_source)


def test_a_work_that_was_removed_meanwhile_is_passed_over() -> None:
    style = settled_style()
    work = style.references.get(position=1)
    actions.delete_reference(reference=work)
    actions.note_study(style=style, work=str(work.public_id), oddness=0.9, odd=True, caption="x")

    assert Reference.objects.with_deleted().get(pk=work.pk).oddness is None
