"""Staff find every model in the admin, can search it, and can open each row."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from tests.builders import staff_client
from tests.web.world import make_world

ROOMS = ("accounts", "billing", "gpu", "styles", "gallery", "training", "generation")


def our_models() -> list[type]:
    return [model for model in apps.get_models() if model._meta.app_label in ROOMS]


def test_every_model_is_in_the_admin() -> None:
    missing = [model.__name__ for model in our_models() if not admin.site.is_registered(model)]

    # each of these is shown inside the row it belongs to
    assert missing == []


@pytest.mark.django_db
def test_every_list_opens_and_searches_and_every_row_opens(tmp_path: Path) -> None:
    make_world(tmp_path)
    client = staff_client(client=Client(raise_request_exception=False))
    bad = []
    for model in our_models():
        if not admin.site.is_registered(model):
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        paths = [reverse(f"{name}_changelist"), reverse(f"{name}_changelist") + "?q=a"]
        first = model._default_manager.first()  # type: ignore[attr-defined]
        if first is not None:
            paths.append(reverse(f"{name}_change", args=[first.pk]))
        for path in paths:
            answer = client.get(path)
            if answer.status_code != 200:
                bad.append(f"{path}: {answer.status_code}")

    assert bad == []
