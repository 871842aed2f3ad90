"""The small chores of both rooms, as beat calls them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts import actions
from accounts.models import IdempotencyKey, SignInLink, User
from accounts.tasks import tidy
from billing import ledger
from billing.tasks import expire
from tests.builders import make_user

pytestmark = pytest.mark.django_db


def test_answers_and_links_are_forgotten_after_a_day() -> None:
    user, now = make_user(), timezone.now()
    for hours in (1, 25):
        key = IdempotencyKey.objects.create(user=user, key=str(hours), body_hash="")
        IdempotencyKey.objects.filter(pk=key.pk).update(created_at=now - timedelta(hours=hours))
        SignInLink.objects.create(user=user, hash=str(hours), expires_at=now - timedelta(hours=hours))
    tidy()
    assert IdempotencyKey.objects.get().key == "1"
    assert SignInLink.objects.get().hash == "1"


def test_credits_whose_time_is_over_are_taken_away() -> None:
    user = make_user()
    ledger.grant(user=user, amount=5, source_ref="old", say="", expires_at=timezone.now())
    expire()
    assert ledger.account_of(user).available == 0


def test_beat_knows_both_chores() -> None:
    named = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert {tidy.name, expire.name} <= named


def test_staff_sign_in_to_the_admin_with_their_address_in_any_case(client: Client) -> None:
    User.objects.create_superuser("staff@example.com", "a hedgerow in November")
    answer = client.post("/admin/login/", {"username": "Staff@Example.com", "password": "a hedgerow in November"})
    assert answer.status_code == 302
    assert client.get("/admin/").status_code == 200


def test_a_banned_member_of_staff_does_not_get_into_the_admin(client: Client) -> None:
    staff = User.objects.create_superuser("staff@example.com", "a hedgerow in November")
    actions.ban(user=staff, actor=make_user(), reason="")
    client.post("/admin/login/", {"username": "staff@example.com", "password": "a hedgerow in November"})
    assert client.get("/admin/").status_code == 302
