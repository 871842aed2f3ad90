"""Requests and their pictures for staff: to look at. Their jobs are cancelled and requeued among the jobs."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin import ReadOnly
from generation.models import Output, Request, RequestStyle
from generation.queries import state_of


class OutputInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = Output
    extra = 0
    fields = ("ordinal", "seed", "job", "artwork")
    show_change_link = True


class StyleInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = RequestStyle
    extra = 0
    fields = ("style", "adapter", "weight")


@admin.register(Request)
class RequestAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("__str__", "owner", "tool", "state", "created_at", "deleted_at")
    list_filter = ("tool", "created_at", ("deleted_at", admin.EmptyFieldListFilter))
    search_fields = ("public_id", "prompt", "owner__email", "seed")
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    inlines = (OutputInline, StyleInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Request]:
        rows: QuerySet[Request] = super().get_queryset(request)
        return rows.prefetch_related("outputs__job")

    @admin.display
    def state(self, request: Request) -> str:
        return state_of(request)


@admin.register(Output)
class OutputAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("public_id", "request", "ordinal", "seed", "state", "job_link", "artwork")
    list_filter = ("job__state",)
    search_fields = ("public_id", "request__public_id", "request__prompt", "request__owner__email", "job__public_id")
    list_select_related = ("request", "job", "artwork")

    @admin.display(ordering="job__state")
    def state(self, output: Output) -> str:
        return output.job.state

    @admin.display(description="job")
    def job_link(self, output: Output) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:gpu_job_change", args=[output.job_id]), output.job.public_id
        )


@admin.register(RequestStyle)
class RequestStyleAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    list_display = ("request", "style", "adapter", "weight")
    search_fields = ("request__public_id", "request__prompt", "style__name", "style__owner__email")
    list_select_related = ("request", "style", "adapter__style")
