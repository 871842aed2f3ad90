"""Staff take pictures down and hang them again, if they may."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from gallery.models import Artwork
from tests.builders import make_user, staff_client
from tests.gallery.hanging import make_artwork

pytestmark = pytest.mark.django_db
PAGE = "admin:gallery_artwork_changelist"


@pytest.mark.parametrize(("rights", "goes"), [(["view_artwork"], False), (["view_artwork", "change_artwork"], True)])
def test_who_may_only_look_takes_nothing_down(tmp_path: Path, rights: list[str], goes: bool) -> None:
    artwork = make_artwork(tmp_path)
    helper = make_user(is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename__in=rights))
    chosen = {"action": "take_down", "_selected_action": [artwork.pk]}
    staff_client(helper).post(reverse(PAGE), chosen)
    assert Artwork.objects.filter(pk=artwork.pk, deleted_at=None).exists() is not goes
