"""Asking for the end, and taking it back."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.background import ring
from accounts.closing.rooms import rooms
from accounts.models import Closing, User
from accounts.notices import CLOSING
from accounts.notifications import notify
from accounts.tokens import revoke_token
from config.kit.errors import Conflict, Refusal, WayUp
from config.kit.text import shortened

log = structlog.get_logger(__name__)

GRACE = timedelta(days=14)
WORD = "close"  # what may be typed instead of the address


def closing_of(user: User) -> Closing | None:
    """The end that was asked for and not taken back."""
    return user.closings.filter(taken_back_at=None).first()


def refuse_while_closing(user: User) -> None:
    """For whatever begins something new, or costs something."""
    closing = closing_of(user)
    if closing is not None:
        say = _("Your account closes on %(day)s, so nothing new can begin.")
        way = WayUp(_("Keep my account"), reverse("accounts:data"))
        raise Conflict(say % {"day": day_of(closing)}, code="account_closing", ways_up=[way])


def ask(*, user: User, typed: str) -> Closing:
    """What runs is cancelled and what is public becomes private at once; everything else goes when the grace is over.

    Raises `Refusal` unless the person typed their address or the word.
    """
    if user.is_staff:
        say = _("You are staff here. Have a colleague take back your rights first.")
        raise Refusal(say, code="closing_staff", field="typed")
    if typed.strip().casefold() not in (user.email.casefold(), WORD):
        say = _("Type your email address, or the word “%(word)s”, so that this cannot happen by mistake.")
        raise Refusal(say % {"word": WORD}, code="closing_word", field="typed")
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        if closing_of(user) is not None:
            raise Conflict(_("This account is closing already."), code="account_closing")
        closing = Closing.objects.create(user=user, due_at=timezone.now() + GRACE)
        audit.record(actor=user, verb="closing.ask", target_kind="user", target=user.public_id)
        for token in user.tokens.filter(revoked_at=None):
            revoke_token(token=token, actor=user)
        _tell(closing, "asked", _("Your account closes on %(day)s") % {"day": day_of(closing)}, _ASKED)
        transaction.on_commit(ring, robust=True)
    stop(closing)
    return closing


def take_back(*, user: User) -> bool:
    """Keep the account after all. What was stopped stays stopped, and what became private stays private."""
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        closing = closing_of(user)
        if closing is None or user.state != User.State.ACTIVE:
            return False
        Closing.objects.filter(pk=closing.pk).update(taken_back_at=timezone.now())
        audit.record(actor=user, verb="closing.take_back", target_kind="user", target=user.public_id)
        _tell(closing, "taken_back", _("Your account stays"), _TAKEN_BACK)
    return True


def stop(closing: Closing) -> bool:
    """End in every room what must not go on; what could not be ended now is tried again each minute."""
    failed = ""
    for room in rooms():
        try:
            if room.stop:
                room.stop(closing.user)
        except Exception as error:
            log.exception("closing_not_stopped", closing=str(closing.public_id), room=room.name)
            failed = f"{room.name}: {type(error).__name__}: {error}"
    now = None if failed else timezone.now()
    Closing.objects.filter(pk=closing.pk).update(stopped_at=now, error=shortened(failed, 300))
    return not failed


def day_of(closing: Closing) -> str:
    return date_format(closing.due_at, "j F Y")


def _tell(closing: Closing, what: str, title: str, body: str | Promise) -> None:
    key, url = f"closing:{closing.public_id}:{what}", reverse("accounts:data") + "#closing"
    notify(user=closing.user, kind=CLOSING, key=key, title=title, body=str(body), url=url)


_ASKED = gettext_lazy(
    "What was running is cancelled, your subscription has ended and your API tokens open nothing any more. "
    "Until that day you can sign in, download everything and take this back. If you did not ask for this, "
    "sign in, take it back and change your password."
)
_TAKEN_BACK = gettext_lazy("The closing was taken back. Subscriptions, API tokens and public pictures: set them anew.")
