"""A person who has used everything, as far as any test of archives and closings can see."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta
from pathlib import Path

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from PIL import Image

from accounts import audit
from accounts.actions import create_sign_in_link, save_profile
from accounts.models import IdempotencyKey, Profile, User
from billing import ledger
from billing.models import Entitlement, Purchase
from config.kit import media
from generation import masks, sources
from generation.models import Request
from gpu import lifecycle
from gpu.models import Job
from styles.actions import delete_style, record_consent
from tests.builders import make_style, make_user, make_version
from tests.web.world import World, make_world

EMAIL, NAME, HANDLE = "ines.moreau@example.com", "Ines Moreau", "inesmoreau"


def make_whole_person(folder: Path) -> World:
    """With works, versions, trainings, pictures, uploads, money and sign-ins; nothing of hers runs any more."""
    world = make_world(folder)
    user = world.owner
    User.objects.filter(pk=user.pk).update(email=EMAIL)
    user.refresh_from_db()
    links = [{"label": "Shop", "url": "https://ines.example"}]
    save_profile(user=user, name=NAME, handle=HANDLE, about=f"{NAME} prints.", links=links)
    Profile.objects.filter(user=user).update(avatar_key=media.save(f"avatars/{user.public_id}/1.webp", picture()))
    portrait = make_style(user, works=1, kind="person", name=f"Portrait of {NAME}")
    in_a_year = (timezone.now() + timedelta(days=365)).date()
    record_consent(style=portrait, user=user, subject_name=NAME, is_adult=True, agreed=True, expires_on=in_a_year)
    make_version(portrait)
    delete_style(style=make_style(user, works=1, name="Thrown away"))
    _sign_in(user)
    _upload(user)
    _trade(user)
    for job in Job.objects.filter(owner=user, state="queued"):
        lifecycle.request_cancel(job_id=job.pk)
    return world


def _sign_in(user: User) -> None:
    """Every way in, every place where she is, and what staff once did to her row."""
    EmailAddress.objects.create(user=user, email=EMAIL, verified=True, primary=True)
    SocialAccount.objects.create(user=user, provider="google", uid="g-1", extra_data={"email": EMAIL})
    Authenticator.objects.create(user=user, type=Authenticator.Type.RECOVERY_CODES, data={"seed": "s"})
    create_sign_in_link(user=user)
    IdempotencyKey.objects.create(user=user, key="k", body_hash="h", response={"email": EMAIL})
    for listed in (True, False):
        session = SessionStore()
        session["_auth_user_id"] = str(user.pk)
        session.save()
        if listed:
            UserSession.objects.create(user=user, ip="203.0.113.9", session_key=session.session_key, user_agent="Test")
    staff = make_user(is_staff=True)
    audit.record(
        actor=staff, verb="account.unban", target_kind="user", target=user.public_id, detail={"reason": f"{NAME} wrote"}
    )
    about = {"object_id": str(user.pk), "object_repr": EMAIL, "change_message": f"mailed {EMAIL}"}
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(user=staff, content_type=kind, action_flag=CHANGE, **about)


def _upload(user: User) -> None:
    """A request that began with an upload and a mask, and an upload that none began with."""
    keys = [media.save(sources.upload_key(user, uuid.uuid4()), picture()) for _number in range(2)]
    request = Request(owner=user, tool="inpaint", prompt=f"a boat for {NAME}", full_prompt="a boat", params={}, seed=1)
    request.source_key, request.mask_key = keys[0], media.save(masks.key_of(request), picture())
    request.save()


def _trade(user: User) -> None:
    ledger.grant(user=user, amount=50, source_ref="session:cs_1", say=f"A pack for {NAME}")
    held = ledger.hold(user=user, amount=3, key="job:past:hold", say=f"A picture: {NAME} at sea", tool="text_to_image")
    ledger.capture(hold=held, amount=3, say=f"A picture: {NAME} at sea")
    Entitlement.objects.update_or_create(user=user, defaults={"plan": "starter"})
    Purchase.objects.create(user=user, kind="pack", lookup_key="pack_50", state="paid", session_url="https://x.example")


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 300), "teal").save(out, "PNG")
    return out.getvalue()
