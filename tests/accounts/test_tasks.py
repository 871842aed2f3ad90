"""The small chores of both rooms, as beat calls them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import IdempotencyKey, SignInLink
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
