"""Rows that tests need, each made by the action that makes it in life. Add your own; change no other's."""

from __future__ import annotations

import hashlib
import io
import time
import uuid
from itertools import count
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from PIL import Image

from accounts.models import User
from billing.catalogue import Plan, Rate, Rates
from billing.plans import HOME, PLANS
from config.kit import media
from styles import actions as style_actions
from styles.models import Adapter, Reference, Style

_numbers = count(1)


def make_user(email: str = "", *, password: str | None = None, **fields: Any) -> User:
    """A person. `state` other than active implies that they cannot sign in."""
    fields.setdefault("is_active", fields.get("state", User.State.ACTIVE) == User.State.ACTIVE)
    return User.objects.create_user(email or f"artist{next(_numbers)}@example.com", password, **fields)


def staff_client(staff: User | None = None, *, client: Client | None = None) -> Client:
    """A browser in which a member of staff has signed in and used their second step, as the staff's pages ask."""
    staff = staff or make_user(is_staff=True, is_superuser=True)
    step = Authenticator.objects.filter(user=staff, type=Authenticator.Type.TOTP).first()
    step = step or TOTP.activate(staff, generate_totp_secret()).instance
    client = client or Client()
    client.force_login(staff, backend="allauth.account.auth_backends.AuthenticationBackend")
    session = client.session
    session["account_authentication_methods"] = [{"method": "mfa", "at": time.time(), "id": step.pk, "type": "totp"}]
    session["account_authentication_methods_user"] = str(staff.pk)
    session.save()
    return client


def make_style(
    owner: User | None = None, *, works: int = 0, declared: bool = True, kind: str = "art", name: str = "Hedgerow"
) -> Style:
    """A style with that many works, as after an intake (the files are real, the intake itself is skipped)."""
    owner = owner or make_user()
    style = style_actions.create_style(owner=owner, name=name, kind=kind, declaration="made" if declared else None)
    for position in range(1, works + 1):
        make_reference(style, position=position)
    return style_actions.refresh_status(style=style)


def make_reference(style: Style, *, position: int = 1, **fields: Any) -> Reference:
    """A plain 640 px work of a colour of its own; the files are there."""
    colour = (37 * position % 256, 91 * position % 256, 53 * position % 256)
    picture = io.BytesIO()
    Image.new("RGB", (640, 640), colour).save(picture, "JPEG")
    public_id = uuid.uuid4()
    folder = f"styles/{style.public_id}/references/{public_id}"
    media.save(f"{folder}.jpg", picture.getvalue())
    media.save(f"{folder}-thumb.webp", picture.getvalue())
    figures = {"light": 0.6, "contrast": 0.5, "saturation": 0.4, "dark": 0.1, "white": 0.0, "white_edge": 0.0}
    facts: dict[str, Any] = {
        "public_id": public_id,
        "filename": f"work-{position}.jpg",
        "sha256": hashlib.sha256(public_id.bytes).hexdigest(),
        "phash": int.from_bytes(public_id.bytes[:8], "big", signed=True),
        "width": 1200,
        "height": 1200,
        "bytes": len(picture.getvalue()),
        "sharpness": 0.2,
        "tone": "#404040",
        "features": figures | {"detail": 0.1, "hues": [1.0] + [0.0] * 11},
        "key": f"{folder}.jpg",
        "thumb_key": f"{folder}-thumb.webp",
        "caption": f"subject number {position}",
        "verdict": Reference.Verdict.ACCEPTED,
    }
    return Reference.objects.create(style=style, position=position, **facts | fields)


def make_version(style: Style, *, base: str = "starter", weights: bytes = b"") -> Adapter:
    """A finished, active version of a style; its weights are a few bytes that only their hash matters of."""
    adapter = style_actions.new_adapter(style=style, base=base, method="lora", rank=4, steps=10)
    content = weights or adapter.public_id.bytes
    key = media.save(f"adapters/{adapter.public_id}.safetensors", content)
    sha256 = hashlib.sha256(content).hexdigest()
    style_actions.finish_adapter(
        adapter=adapter, key=key, sha256=sha256, bytes=len(content), loss=0.1, steps=10, activate=True
    )
    style.refresh_from_db()
    adapter.refresh_from_db()
    return adapter


def slow_down(monkeypatch: pytest.MonkeyPatch, *, submit: int = 1000, upload: int = 1000, plan: Plan = HOME) -> None:
    """Let a plan take only so many requests and files, a minute and an hour."""
    rates = Rates.model_construct(
        submit=Rate.model_construct(minute=submit, hour=submit), upload=Rate.model_construct(minute=upload, hour=upload)
    )
    slow = plan.model_copy(update={"rates": rates})
    if plan is HOME:
        monkeypatch.setattr("billing.plans.HOME", slow)
    else:
        monkeypatch.setitem(PLANS, plan.slug, slow)
        monkeypatch.setattr("billing.plans.FREE", PLANS["free"])
