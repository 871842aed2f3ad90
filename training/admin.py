"""Runs and what came of them, for staff: to look at, not to rewrite."""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin import ReadOnly
from training.models import Checkpoint, Metric, Run, RunReference, Sample, Snapshot


class CheckpointInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = Checkpoint
    extra = 0
    fields = readonly_fields = (
        "ordinal",
        "step",
        "loss",
        "weight_norm",
        "sha256",
        "bytes",
        "score",
        "finalist",
        "picked",
    )


@admin.register(Run)
class RunAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("public_id", "style", "purpose", "quality", "state", "created_at")
    list_filter = ("purpose", "quality", "job__state", "created_at")
    search_fields = ("public_id", "style__name", "style__owner__email")
    list_select_related = ("style", "job")
    inlines = (CheckpointInline,)

    @admin.display(ordering="job__state")
    def state(self, run: Run) -> str:
        return run.job.state


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("run", "ordinal", "step", "loss", "weight_norm", "score", "picked", "created_at")
    list_filter = ("picked",)
    search_fields = ("run__public_id", "sha256", "run__style__name")


@admin.register(Sample)
class SampleAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("run", "step", "prompt_no", "prompt", "seed")
    search_fields = ("run__public_id", "prompt")


@admin.register(RunReference)
class RunReferenceAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("run", "ordinal", "caption", "sha256")
    search_fields = ("run__public_id", "sha256", "caption")


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("run", "step", "fence", "at")
    search_fields = ("run__public_id",)


@admin.register(Metric)
class MetricAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("run", "step", "loss")
    search_fields = ("run__public_id",)
