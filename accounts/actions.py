"""What changes a person: their profile, their standing, and accounts made from the terminal."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.handles import clean_handle, taken
from accounts.links import clean_links
from accounts.models import Profile, SignInLink, User
from accounts.signals import banned, email_verified
from accounts.tokens import digest
from config.kit.errors import Refusal
from config.kit.text import one_line

SIGN_IN_LINK_LASTS = timedelta(minutes=10)
MAX_NAME, MAX_ABOUT = 80, 300


@transaction.atomic
def create_verified(*, email: str) -> User:
    """An account whose address the operator vouches for: no mail is sent, and no password works until one is set."""
    try:
        validate_email(email)
    except ValidationError as error:
        raise Refusal(f"{email!r} is not an email address.", code="email", field="email") from error
    user = User.objects.create_user(email)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    audit.record(actor=None, verb="account.create", target_kind="user", target=user.public_id)
    email_verified.send(sender=User, user=user)
    return user


@transaction.atomic
def save_profile(
    *,
    user: User,
    name: str | None = None,
    handle: str | None = None,
    about: str | None = None,
    links: Iterable[Mapping[str, str]] | None = None,
    theme: str | None = None,
    language: str | None = None,
) -> Profile:
    """Change what is given and leave the rest; `handle=""` gives the handle back."""
    Profile.objects.get_or_create(user=user)
    profile = Profile.objects.select_for_update().get(user=user)
    before = _facts(user, profile)
    if name is not None:
        user.name = one_line(name, field="name", name="The name", most=MAX_NAME)
    if about is not None:
        profile.about = one_line(about, field="about", name="What you write about yourself", most=MAX_ABOUT)
    if links is not None:
        profile.links = clean_links(links)
    if theme is not None:
        profile.theme = _one_of(theme, Profile.Theme.values, field="theme", name="The theme")
    if language is not None:
        profile.language = _one_of(language, dict(settings.LANGUAGES), field="language", name="The language")
    if handle is not None:
        user.handle = clean_handle(handle, user=user)
    try:
        with transaction.atomic():
            user.save(update_fields=["name", "handle"])
    except IntegrityError as error:  # somebody took the handle since we looked
        raise taken(user.handle or "") from error
    profile.save(update_fields=["about", "links", "theme", "language"])
    after = _facts(user, profile)
    if changed := [field for field in after if after[field] != before[field]]:
        detail = {"changed": changed}
        audit.record(actor=user, verb="profile.save", target_kind="user", target=user.public_id, detail=detail)
    return profile


def _facts(user: User, profile: Profile) -> dict[str, object]:
    fields = ("about", "links", "theme", "language")
    return {"name": user.name, "handle": user.handle} | {field: getattr(profile, field) for field in fields}


def _one_of(value: str, known: Iterable[str], *, field: str, name: str) -> str:
    if value not in known:
        raise Refusal(f"{name} is one of: {', '.join(sorted(known))}.", code=field, field=field)
    return value


@transaction.atomic
def ban(*, user: User, actor: User, reason: str) -> None:
    """Shut a person out at once: sessions end with the next request, tokens open nothing."""
    if user.pk == actor.pk:
        raise Refusal("You cannot ban yourself.", code="ban_self")
    if user.state == User.State.CLOSED:
        raise Refusal("This account is closed: there is nobody to shut out.", code="account_state")
    User.objects.filter(pk=user.pk).update(state=User.State.BANNED, is_active=False)
    user.refresh_from_db()
    audit.record(actor=actor, verb="account.ban", target_kind="user", target=user.public_id, detail={"reason": reason})
    banned.send(sender=User, user=user)


@transaction.atomic
def unban(*, user: User, actor: User) -> None:
    """Let a banned person in again; their tokens work as before."""
    if User.objects.filter(pk=user.pk, state=User.State.BANNED).update(state=User.State.ACTIVE, is_active=True):
        user.refresh_from_db()
        audit.record(actor=actor, verb="account.unban", target_kind="user", target=user.public_id)


def create_sign_in_link(*, user: User) -> str:
    """The secret part of a link that signs this person in once, within ten minutes."""
    if not user.is_active:
        raise Refusal(f"{user.email} is {user.state}: nobody can sign in to that account.", code="account_state")
    plain = secrets.token_urlsafe(32)
    SignInLink.objects.create(user=user, hash=digest(plain), expires_at=timezone.now() + SIGN_IN_LINK_LASTS)
    audit.record(actor=None, verb="sign_in_link.create", target_kind="user", target=user.public_id)
    return plain


def use_sign_in_link(*, plain: str) -> User | None:
    """Whom the link signs in; nobody if it was used, is too old, or its account may not sign in any more."""
    now = timezone.now()
    good = SignInLink.objects.filter(hash=digest(plain), used_at=None, expires_at__gt=now, user__is_active=True)
    link = good.select_related("user").first()
    # the update decides: of two that come at once only one finds the link unused
    if link is None or not SignInLink.objects.filter(pk=link.pk, used_at=None).update(used_at=now):
        return None
    return link.user
