"""Jobs and workers for staff: to look at, to search, to cancel and to requeue. Rows have their one writer elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from accounts import audit
from accounts.admin import ReadOnly
from accounts.models import User
from gpu import lifecycle
from gpu.models import Job, JobEvent, Worker


class JobEvents(ReadOnly, TabularInline):  # type: ignore[misc]
    model = JobEvent
    fields = readonly_fields = ("at", "from_state", "to_state", "fence", "note")
    extra = 0


@admin.register(Job)
class JobAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = (
        *("public_id", "kind", "state", "phase", "progress", "owner_link", "worker_link", "attempts", "price"),
        "memory",
    )
    list_filter = ("state", "kind", "tier", "memory_profile", "error_code", "created_at")
    search_fields = ("public_id", "subject", "owner__email", "owner__handle", "error_code")
    search_help_text = "A job's id, its subject's id, its owner's email or handle, or an error code"
    list_select_related = ("owner", "worker")
    readonly_fields = ("memory", "told")
    exclude = ("notices",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    inlines = (JobEvents,)
    actions = ("cancel", "requeue")

    @admin.display(description="owner", ordering="owner__email")
    def owner_link(self, job: Job) -> SafeString:
        return _link("admin:accounts_user_change", job.owner_id, str(job.owner))

    @admin.display(description="worker", ordering="worker__name")
    def worker_link(self, job: Job) -> SafeString | str:
        return _link("admin:gpu_worker_change", job.worker_id, job.worker.name) if job.worker else "–"

    @admin.display(description="memory")
    def memory(self, job: Job) -> str:
        """What it was expected to take and what it took, with their ratio: whether the predictions can be trusted."""
        if not job.predicted_bytes:
            return "–"
        expected = f"{job.memory_profile}: {_gib(job.predicted_bytes)} expected"
        if not job.peak_bytes:
            return expected
        ratio = job.peak_bytes / job.predicted_bytes
        return f"{expected}, {_gib(job.peak_bytes)} taken ({ratio:.2f})"

    @admin.display(description="notices")
    def told(self, job: Job) -> SafeString | str:
        """What the artist was told of changes, each with its code."""
        return format_html_join(" ", "{} ({})", ((notice["say"], notice["code"]) for notice in job.notices)) or "–"

    @admin.action(description="Cancel (costs its owner nothing)", permissions=("operate",))
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, lifecycle.request_cancel, verb="job.cancel", say="being cancelled")

    @admin.action(description="Requeue (take it from its worker, or out of its pause)", permissions=("operate",))
    def requeue(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, lifecycle.requeue, verb="job.requeue", say="back in the line")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("gpu.change_job")

    def _each(
        self, request: HttpRequest, jobs: QuerySet[Job], act: Callable[..., bool], *, verb: str, say: str
    ) -> None:
        assert isinstance(request.user, User)
        done = 0
        for job in jobs:
            with transaction.atomic():
                if act(job_id=job.pk):
                    audit.record(actor=request.user, verb=verb, target_kind="job", target=job.public_id)
                    done += 1
        if done:
            messages.success(request, f"{done} of {jobs.count()}: {say}.")
        if done < jobs.count():
            messages.warning(request, f"{jobs.count() - done} had ended already, or were asked before.")


@admin.register(Worker)
class WorkerAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "device", "profile", "loaded", "started_at", "seen_at", "heard_at", "draining_at", "jobs")
    list_filter = ("device", "profile", "draining_at")
    search_fields = ("name", "boot_id", "seat")
    ordering = ("-seen_at",)

    @admin.display
    def jobs(self, worker: Worker) -> SafeString:
        url = reverse("admin:gpu_job_changelist")
        return format_html('<a href="{}?worker__id__exact={}">{}</a>', url, worker.pk, worker.jobs.count())


@admin.register(JobEvent)
class JobEventAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("at", "job_link", "from_state", "to_state", "fence", "note")
    list_filter = ("to_state", "note", "at")
    search_fields = ("job__public_id", "job__owner__email", "note")
    list_select_related = ("job",)
    ordering = ("-id",)

    @admin.display(description="job", ordering="job__public_id")
    def job_link(self, event: JobEvent) -> SafeString:
        return _link("admin:gpu_job_change", event.job_id, str(event.job.public_id))


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def _link(view: str, key: int | None, text: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(view, args=[key]), text)
