"""A person's picture: opened by whoever opens strangers' files safely, cut square, nothing else of it kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

from django.core.files import File
from django.db import transaction
from django.utils.translation import gettext as _
from PIL import Image

from accounts import audit
from accounts.models import Profile, User
from config.kit import media, pictures
from config.kit.errors import Refusal
from config.kit.limits import limit

SIDE = 320  # pixels: twice the largest at which it is shown
CHANGES_A_MINUTE = 10

# the picture of an uploaded file, or a Refusal that names `field`
Reader = Callable[["File[bytes]", str], Image.Image]
_readers: list[Reader] = []


def read_with(reader: Reader) -> None:
    """The room above that takes pictures in lends its reader; called once, in its `AppConfig.ready()`."""
    _readers[:] = [reader]


def save_avatar(*, user: User, file: File[bytes] | None) -> None:
    """Raises a `Refusal` with a sentence."""
    if file is None:
        raise Refusal(_("Choose a picture first."), code="file_missing", field="avatar")
    say = _("That is more pictures than a face has sides. Wait a minute, then go on.")
    limit("avatar", str(user.public_id), times=CHANGES_A_MINUTE, seconds=60, say=say)
    picture = _readers[0](file, "avatar")
    # a new key each time: an address that a browser has kept must not show the old one
    _put(user, media.save(f"avatars/{user.public_id}/{uuid.uuid4()}.webp", pictures.square(picture, side=SIDE)))


def remove_avatar(*, user: User) -> None:
    _put(user, "")


def url_of(profile: Profile | None) -> str:
    """An address for some minutes; "" without a picture."""
    return media.signed_url(profile.avatar_key) if profile else ""


@transaction.atomic
def _put(user: User, key: str) -> None:
    Profile.objects.get_or_create(user=user)
    profile = Profile.objects.select_for_update().get(user=user)
    old, profile.avatar_key = profile.avatar_key, key
    if old == key:
        return
    profile.save(update_fields=["avatar_key"])
    audit.record(
        actor=user, verb="profile.save", target_kind="user", target=user.public_id, detail={"changed": ["avatar"]}
    )
    transaction.on_commit(partial(media.delete, old), robust=True)
