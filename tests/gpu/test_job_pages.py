"""Jobs on pages, in the API and in the admin."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Permission
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from accounts.tokens import create_token
from gpu import fragments, lifecycle
from gpu.engine import contract
from gpu.fragments import SHOWN
from gpu.models import Job
from tests.builders import make_user, staff_client
from tests.fakes import probe
from tests.gpu.conftest import make_artist, make_worker, submit
from tests.gpu.test_moves import claimed, done

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def page(client: Client, artist: User) -> Client:
    client.force_login(artist, backend=BACKEND)
    return client


# --- pages ---


@pytest.mark.parametrize("verb", ["cancel", "stop"])
def test_asking_answers_with_the_row_and_a_sentence(verb: str, page: Client, artist: User) -> None:
    job = claimed(submit(artist, kind=probe.LONG))

    answer = page.post(reverse(f"gpu:{verb}", args=[job.public_id]), headers=HTMX)

    job.refresh_from_db()
    assert answer.status_code == 200
    assert f'id="job-{job.public_id}"' in answer.text
    assert getattr(job, f"{verb}_at")
    assert '"kind": "success"' in answer["HX-Trigger"]


def test_without_htmx_asking_leads_back_to_the_job_s_page(page: Client, artist: User) -> None:
    job = submit(artist)

    answer = page.post(reverse("gpu:cancel", args=[job.public_id]))

    assert (answer.status_code, answer["Location"]) == (302, "/studio/")
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED


def test_asking_too_late_is_said(page: Client, artist: User) -> None:
    job = submit(artist)
    lifecycle.request_cancel(job_id=job.pk)

    answer = page.post(reverse("gpu:cancel", args=[job.public_id]), headers=HTMX)

    assert '"kind": "warning"' in answer["HX-Trigger"]


@pytest.mark.parametrize(("method", "view"), [("post", "cancel"), ("post", "stop"), ("get", "row")])
def test_another_s_job_does_not_exist_here(method: str, view: str, page: Client) -> None:
    job = submit(make_artist())

    assert getattr(page, method)(reverse(f"gpu:{view}", args=[job.public_id])).status_code == 404
    assert getattr(page, method)(reverse(f"gpu:{view}", args=[uuid.uuid4()])).status_code == 404
    job.refresh_from_db()
    assert (job.state, job.stop_at) == (Job.State.QUEUED, None)


@pytest.mark.parametrize(("method", "view"), [("post", "cancel"), ("post", "stop"), ("get", "row")])
def test_a_stranger_is_asked_to_sign_in(method: str, view: str, client: Client, artist: User) -> None:
    job = submit(artist)

    answer = getattr(client, method)(reverse(f"gpu:{view}", args=[job.public_id]))

    assert answer.status_code == 302
    assert "/accounts/login" in answer["Location"]


@pytest.mark.parametrize("view", ["cancel", "stop"])
def test_looking_changes_nothing(view: str, page: Client, artist: User) -> None:
    assert page.get(reverse(f"gpu:{view}", args=[submit(artist).public_id])).status_code == 405


def test_the_list_has_what_runs_before_what_waits_and_nothing_that_ended(page: Client, artist: User) -> None:
    ended = submit(artist)
    lifecycle.request_cancel(job_id=ended.pk)
    running, waiting = claimed(submit(artist)), submit(artist)

    html = page.get(reverse("gpu:jobs")).text

    assert html.index(f"job-{running.public_id}") < html.index(f"job-{waiting.public_id}")
    assert str(ended.public_id) not in html


def test_an_empty_list_keeps_its_place_on_the_page(page: Client) -> None:
    html = page.get(reverse("gpu:jobs")).text

    assert 'id="jobs"' in html
    assert "hidden" in html


def test_a_long_list_is_cut_and_says_so(artist: User) -> None:
    for _ in range(SHOWN + 2):
        submit(artist, price=0)

    html = fragments.job_list(artist)

    assert html.count("job-row") == SHOWN
    assert "and 2 more in the line" in html


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "Next in the line"),
        ({"state": "failed", "error_say": "It was <too> large."}, "It was &lt;too&gt; large."),
        ({"state": "cancelled"}, "Cancelled; it cost nothing"),
        ({"state": "succeeded"}, "Done"),
        ({"phase": "training", "step": 3, "steps": 9}, "Training: step 3 of 9"),
        ({"phase": "sampling"}, "Sampling"),
        ({"phase": "something new"}, "Starting"),
        ({"stop_at": "2026-01-01T00:00Z"}, "Stopping; what is finished is kept"),
        ({"cancel_at": "2026-01-01T00:00Z"}, "Being cancelled"),
    ],
)
def test_a_row_says_where_a_job_stands(change: dict[str, object], words: str, artist: User) -> None:
    job = submit(artist)
    if change and "state" not in change:
        claimed(job)
    Job.objects.filter(pk=job.pk).update(**change)
    job.refresh_from_db()

    assert words in fragments.job_row(job)


def test_a_row_counts_who_is_before_it(artist: User) -> None:
    submit(make_artist())
    submit(make_artist())

    assert "2 before it in the line" in fragments.job_row(submit(artist))


# --- the API ---


@pytest.fixture
def token(artist: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_token(user=artist, name='test')[1]}"}


def test_the_api_shows_a_job_that_waits(client: Client, artist: User, token: dict[str, str]) -> None:
    job = submit(artist)

    answer = client.get(f"/api/v1/jobs/{job.public_id}", headers=token).json()

    assert answer["id"] == str(job.public_id)
    assert (answer["state"], answer["position"], answer["progress"]) == ("queued", 1, 0)
    assert answer["started_at"] is None
    assert answer["error"] is None


def test_the_api_says_why_a_job_failed(client: Client, artist: User, token: dict[str, str]) -> None:
    job = claimed(submit(artist))
    lifecycle.fail(job_id=job.pk, fence=job.fence, code="bad_weights", say="It cannot be read.", detail="secret")

    answer = client.get(f"/api/v1/jobs/{job.public_id}", headers=token)

    assert answer.json()["error"] == {"code": "bad_weights", "say": "It cannot be read."}
    assert "secret" not in answer.text


def test_a_trouble_that_passed_is_no_error(client: Client, artist: User, token: dict[str, str]) -> None:
    job = claimed(submit(artist))
    lifecycle.lose(job_id=job.pk, fence=job.fence, detail="it crashed")

    assert client.get(f"/api/v1/jobs/{job.public_id}", headers=token).json()["error"] is None


def test_the_api_knows_no_job_of_another(client: Client, token: dict[str, str]) -> None:
    job = submit(make_artist())

    assert client.get(f"/api/v1/jobs/{job.public_id}", headers=token).status_code == 404
    assert client.get(f"/api/v1/jobs/{job.public_id}").status_code == 401
    assert client.get("/api/v1/jobs/17", headers=token).status_code == 422


def test_a_row_tells_what_was_changed_for_want_of_memory(page: Client, artist: User) -> None:
    job = claimed(submit(artist))
    notice = contract.Adapted(job="1", code="c", say="It is seen at 768 px & <smaller>.")
    lifecycle.adapted(job_id=job.pk, fence=job.fence, notice=notice)

    html = page.get(reverse("gpu:row", args=[job.public_id])).text

    assert "It is seen at 768 px &amp; &lt;smaller&gt;." in html


def test_other_rooms_show_a_job_s_notices_by_one_template(artist: User) -> None:
    job = submit(artist)
    assert not render_to_string("gpu/_notices.html", {"job": job}).strip()

    job.notices = [{"code": "c", "say": "It is seen at 768 px."}]

    assert "It is seen at 768 px." in render_to_string("gpu/_notices.html", {"job": job})


# --- the admin ---


@pytest.fixture
def staff(client: Client) -> Client:
    return staff_client(client=client)


def act(staff: Client, action: str, *jobs: Job) -> str:
    chosen = {"action": action, ACTION_CHECKBOX_NAME: [job.pk for job in jobs]}
    return staff.post(reverse("admin:gpu_job_changelist"), chosen, follow=True).text


def test_staff_find_and_read_jobs_workers_and_moves(staff: Client, artist: User) -> None:
    job = claimed(submit(artist))
    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=done())
    worker = make_worker()

    for view, query in (("job", artist.email), ("worker", "here"), ("jobevent", str(job.public_id))):
        found = staff.get(reverse(f"admin:gpu_{view}_changelist"), {"q": query})
        assert found.status_code == 200
        assert "0 results" not in found.text
    assert str(job.public_id) in staff.get(reverse("admin:gpu_job_changelist"), {"q": str(job.public_id)}).text
    assert "finished" in staff.get(reverse("admin:gpu_job_change", args=[job.pk])).text
    assert staff.get(reverse("admin:gpu_worker_change", args=[worker.pk])).status_code == 200
    assert staff.get(reverse("admin:gpu_job_changelist"), {"worker__id__exact": worker.pk}).status_code == 200


def test_staff_change_no_job_by_hand(staff: Client, artist: User) -> None:
    job = submit(artist)

    assert staff.get(reverse("admin:gpu_job_add")).status_code == 403
    assert staff.post(reverse("admin:gpu_job_change", args=[job.pk]), {"state": "succeeded"}).status_code == 403
    assert staff.post(reverse("admin:gpu_job_delete", args=[job.pk]), {"post": "yes"}).status_code == 403
    job.refresh_from_db()
    assert job.state == Job.State.QUEUED


def test_staff_cancel_through_the_lifecycle_and_are_on_record(staff: Client, artist: User) -> None:
    job, ended = submit(artist), submit(artist)
    lifecycle.request_cancel(job_id=ended.pk)

    html = act(staff, "cancel", job, ended)

    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert "1 of 2: being cancelled." in html
    assert "1 had ended already" in html
    entry = AuditEntry.objects.get(verb="job.cancel")
    assert (entry.target, entry.actor.is_staff if entry.actor else None) == (job.public_id, True)


def test_staff_requeue_a_running_job(staff: Client, artist: User) -> None:
    job = claimed(submit(artist))

    act(staff, "requeue", job)

    job.refresh_from_db()
    assert (job.state, job.attempts) == (Job.State.QUEUED, 0)
    assert AuditEntry.objects.get(verb="job.requeue").target == job.public_id


def test_who_may_only_look_at_jobs_cannot_cancel_them(client: Client, artist: User) -> None:
    looker = make_user(is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_job"))
    staff_client(looker, client=client)
    job = submit(artist)

    act(client, "cancel", job)

    job.refresh_from_db()
    assert job.state == Job.State.QUEUED


def test_staff_see_what_a_job_was_expected_to_take_and_what_it_took(staff: Client) -> None:
    job = claimed(submit(make_artist()))
    plan = contract.Planned(job="1", profile="8gb", predicted_bytes=4 * 2**30)
    lifecycle.planned(job_id=job.pk, fence=job.fence, plan=plan)
    lifecycle.adapted(job_id=job.pk, fence=job.fence, notice=contract.Adapted(job="1", code="rank", say="At rank 8."))
    assert "8gb: 4.00 GiB expected" in staff.get(reverse("admin:gpu_job_changelist")).text

    ended = contract.Done(job="1", outcome="finished", seconds=1, peak_bytes=3 * 2**30)
    lifecycle.succeed(job_id=job.pk, fence=job.fence, done=ended)

    page = staff.get(reverse("admin:gpu_job_change", args=[job.pk])).text
    assert "8gb: 4.00 GiB expected, 3.00 GiB taken (0.75)" in page
    assert "At rank 8. (rank)" in page
