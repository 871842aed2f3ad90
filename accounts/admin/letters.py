"""What people are told: the lines under their bells, the outbox, and every mail as it would look."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST, require_safe
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from accounts import outbox, previews
from accounts.admin.kit import OfAPerson
from accounts.models import Notification, Outbox, User

MAY_LOOK = permission_required("accounts.view_outbox", raise_exception=True)


@admin.register(Notification)
class NotificationAdmin(OfAPerson, ModelAdmin):  # type: ignore[misc]
    list_display = ("created_at", "person", "kind", "title", "read_at")
    list_filter = ("kind", "created_at", ("read_at", admin.EmptyFieldListFilter))
    search_fields = ("user__email", "title", "key", "public_id")
    ordering = ("-pk",)


class GivenUp(admin.SimpleListFilter):
    title = "attempts"
    parameter_name = "given_up"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Used up")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Outbox]) -> QuerySet[Outbox]:
        return queryset & outbox.given_up() if self.value() else queryset


@admin.register(Outbox)
class OutboxAdmin(OfAPerson, ModelAdmin):  # type: ignore[misc]
    """Effects that wait or were done. What a mail says is not shown: it may hold what only its reader should know."""

    list_display = ("created_at", "kind", "person", "key", "state", "attempts", "due_at", "error")
    list_filter = (GivenUp, "kind", ("done_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("key", "user__email", "error")
    exclude = ("payload",)
    ordering = ("-pk",)
    actions = ("try_again",)
    actions_list = ("look_at_mails",)

    @display(label={"done": "success", "waits": "info", "given up": "danger"})  # type: ignore[untyped-decorator]
    def state(self, row: Outbox) -> str:
        if row.done_at:
            return "done"
        return "given up" if row.attempts >= outbox.MAX_ATTEMPTS else "waits"

    @admin.action(description="Try again (those whose attempts are used up)", permissions=("try_again",))
    def try_again(self, request: HttpRequest, rows: QuerySet[Outbox]) -> None:
        again = sum(outbox.again(row=row) for row in rows)
        messages.success(request, f"{again} are tried again.")

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_outbox")

    @action(description="Look at the mails")  # type: ignore[untyped-decorator]
    def look_at_mails(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:mails"))

    def get_urls(self) -> list[URLPattern]:
        behind_the_door = self.admin_site.admin_view
        own: list[URLPattern] = [
            path("mails/", behind_the_door(every_mail), name="mails"),
            path("mails/<str:name>/", behind_the_door(one_mail), name="mail"),
            path("mails/<str:name>/send/", behind_the_door(send_me), name="mail_send"),
        ]
        return [*own, *super().get_urls()]


@require_safe
@MAY_LOOK
def every_mail(request: HttpRequest) -> HttpResponse:
    """The list of all mails there are."""
    context = {**admin.site.each_context(request), "title": "Mails", "previews": previews.previews()}
    return TemplateResponse(request, "mail/staff_list.html", context)


@require_safe
@MAY_LOOK
def one_mail(request: HttpRequest, name: str) -> HttpResponse:
    """Both sides of a mail with made-up facts. The HTML stands in a frame that may do nothing."""
    preview, message = _made(request, name)
    html = next((content for content, kind in getattr(message, "alternatives", []) if kind == "text/html"), "")
    context = {
        **admin.site.each_context(request),
        "title": preview.say,
        "preview": preview,
        "message": message,
        "headers": message.extra_headers,
        "html": html,
    }
    return TemplateResponse(request, "mail/staff_detail.html", context)


@require_POST
@MAY_LOOK
def send_me(request: HttpRequest, name: str) -> HttpResponse:
    """The mail as it is, to the member of staff who asks."""
    preview, message = _made(request, name)
    try:
        message.send()
        messages.success(request, f"“{message.subject}” is on its way to {message.to[0]}.")
    except OSError as error:  # what cannot be reached, or hangs up: smtplib's errors are of this kind
        messages.error(request, f"The mail server did not take it: {error}")
    return HttpResponseRedirect(reverse("admin:mail", args=[preview.name]))


def _made(request: HttpRequest, name: str) -> Any:
    preview = previews.named(name)
    if preview is None:
        raise Http404
    assert isinstance(request.user, User)
    return preview, preview.make(request.user)
