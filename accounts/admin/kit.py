"""What the staff's pages of every room share."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User


class ReadOnly:
    """Rows that have their one writer elsewhere: nothing is added, changed or deleted by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OfAPerson(ReadOnly):
    """Rows of a person, found by their email and linked to them."""

    list_select_related: Any = ("user",)

    def person(self, row: Any) -> SafeString | str:
        return person_link(row.user) if row.user else "–"

    person.admin_order_field = "user__email"  # type: ignore[attr-defined]


def person_link(user: User) -> SafeString:
    """A person's page in the admin."""
    return format_html('<a href="{}">{}</a>', reverse("admin:accounts_user_change", args=[user.pk]), user.email)


def back_to(view: str, key: int) -> HttpResponse:
    """The answer to a dialog: the page behind it, loaded anew."""
    return HttpResponse(headers={"HX-Redirect": reverse(view, args=[key])})
