"""What Django refuses before a view sees it still gets a sentence."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.builders import make_style

pytestmark = pytest.mark.django_db


def test_too_many_files_in_one_request_get_a_sentence() -> None:
    style = make_style()
    client = Client(raise_request_exception=False)
    client.force_login(style.owner, backend="django.contrib.auth.backends.ModelBackend")
    files = [SimpleUploadedFile(f"{number}.png", b"x") for number in range(61)]
    answer = client.post(f"/styles/{style.public_id}/works/", {"files": files})

    assert answer.status_code == 400
    assert "send fewer at once" in answer.content.decode()


def test_an_unknown_page_is_a_404_with_a_way_back() -> None:
    answer = Client().get("/no/such/page/")

    assert answer.status_code == 404
    assert "<a " in answer.content.decode()


def test_a_forged_form_is_refused_with_a_sentence() -> None:
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "a@example.com"})

    assert answer.status_code == 403
    assert "<h1" in answer.content.decode()


def test_a_foreign_host_is_refused_and_not_failed() -> None:
    answer = Client(raise_request_exception=False).get("/", headers={"Host": "elsewhere.example"})

    assert answer.status_code == 400
