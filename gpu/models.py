"""Jobs and the workers that run them. `gpu.lifecycle` is the only writer of `Job.state`."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from billing.models import CreditHold
from config.kit.ids import PublicIdModel
from gpu.queries import JobQuerySet


class Worker(models.Model):
    """One process that owns one engine. A new start is a new `boot_id`."""

    boot_id = models.UUIDField(unique=True, default=uuid.uuid4)
    # The locked place in STATE_DIR it works from: whoever holds the lock knows that its predecessors there are dead.
    seat = models.UUIDField(default=uuid.uuid4, db_index=True)
    name = models.CharField(max_length=120)
    device = models.CharField(max_length=120, blank=True)
    profile = models.CharField(max_length=20, blank=True)
    # What its engine has loaded, in the words of `Job.affinity`.
    loaded = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField()
    # When it last heard the doorbell; a live worker that hears nothing works on, but ten seconds late.
    heard_at = models.DateTimeField(null=True, blank=True)
    draining_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.device or 'starting'})"


class Job(PublicIdModel):
    """One piece of GPU work: the queued row is the outbox, the running row is the lease."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class Tier(models.IntegerChoices):
        FIRST = 0
        PRIORITY = 1
        STANDARD = 2

    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="jobs")
    kind = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    tier = models.PositiveSmallIntegerField(choices=Tier.choices, default=Tier.STANDARD)
    # What must be loaded to run it (base and styles): jobs alike in this run after one another.
    affinity = models.CharField(max_length=200, blank=True)
    # Which of the owner's objects this job serves (a run, an output); plain, for it would point up.
    subject = models.UUIDField(db_index=True)
    hold = models.OneToOneField(CreditHold, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    price = models.PositiveIntegerField(default=0)

    # Tries that ended badly, whoever was at fault; among them those whose worker or engine was lost.
    attempts = models.PositiveSmallIntegerField(default=0)
    lost = models.PositiveSmallIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    worker = models.ForeignKey(Worker, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs")
    lease_until = models.DateTimeField(null=True, blank=True)
    # Its place in the line: when it was asked for, or when it last gave way to somebody.
    queued_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    stop_at = models.DateTimeField(null=True, blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True)
    rung_at = models.DateTimeField(null=True, blank=True)

    phase = models.CharField(max_length=30, blank=True)
    progress = models.FloatField(default=0)
    step = models.PositiveIntegerField(default=0)
    steps = models.PositiveIntegerField(default=0)
    eta_seconds = models.FloatField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_say = models.TextField(blank=True)
    error_detail = models.TextField(blank=True)
    memory_profile = models.CharField(max_length=20, blank=True)  # by which the engine planned it
    predicted_bytes = models.BigIntegerField(default=0)
    peak_bytes = models.BigIntegerField(default=0)
    notices = models.JSONField(default=list, blank=True)  # [{code, say}]: what was changed so that it could go on

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["queued_at"], condition=Q(state="queued"), name="job_queue"),
            models.Index(fields=["lease_until"], condition=Q(state="running"), name="job_leases"),
            models.Index(fields=["claimed_at"], name="job_claims"),
            models.Index(fields=["owner", "-created_at"]),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="running") | Q(lease_until__isnull=False),
                name="job_running_has_a_lease",
            ),
            models.CheckConstraint(condition=Q(progress__gte=0, progress__lte=1), name="job_progress_is_a_share"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id} ({self.state})"

    @property
    def ended(self) -> bool:
        return self.state in (self.State.SUCCEEDED, self.State.FAILED, self.State.CANCELLED)


class JobEvent(models.Model):
    """Each move of a job, once. Written by the transition that made it."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10)
    fence = models.PositiveIntegerField()
    note = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.from_state or 'new'} → {self.to_state}"
