"""Closing accounts in tests: asking, letting the days pass, and looking for what is left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.apps import apps
from django.core.files.storage import default_storage
from django.db import models
from django.db.models.functions import Cast
from django.utils import timezone

from accounts import closing
from accounts.models import Closing, User


def asked(user: User) -> Closing:
    return closing.ask(user=user, typed=user.email)


def overdue(row: Closing) -> None:
    Closing.objects.filter(pk=row.pk).update(due_at=timezone.now() - timedelta(minutes=1))


def closed(user: User) -> Closing:
    row = asked(user)
    overdue(row)
    assert closing.work() == 1
    row.refresh_from_db()
    return row


def files(folder: str = "") -> Iterator[str]:
    folders, names = default_storage.listdir(folder)
    yield from (f"{folder}{name}" for name in names)
    for name in folders:
        yield from files(f"{folder}{name}/")


# What docs/your-data.md says stays, and what refers to the nameless row.
STAYS = {
    "accounts.AuditEntry",
    "accounts.Closing",
    "accounts.Outbox",
    "billing.CreditAccount",
    "billing.Purchase",
    "billing.StripeCustomer",
    "djstripe.Customer",
}


def people_fields(model: type[models.Model]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if field.remote_field and field.related_model is User]


def text_fields(model: type[models.Model]) -> list[str]:
    kinds = (models.CharField, models.TextField, models.JSONField)
    return [field.name for field in model._meta.concrete_fields if isinstance(field, kinds)]


def speaking_of(words: list[str]) -> list[tuple[str, str, str]]:
    """Every row of every table that holds one of the words, whichever of its texts."""
    found = []
    for model in apps.get_models():
        for field in text_fields(model):
            texts = model._default_manager.annotate(in_text=Cast(field, models.TextField()))
            for word in words:
                if texts.filter(in_text__icontains=word).exists():
                    found.append((model._meta.label, field, word))
    return found
