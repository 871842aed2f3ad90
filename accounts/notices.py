"""What this room tells people by itself: that they are welcome, and staff that mails do not leave."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts import outbox
from accounts.language import speaking_to
from accounts.models import User
from accounts.notifications import Example, Kind, notify

WELCOME, STUCK = "account.welcome", "staff.outbox"
EXPORT, CLOSING, CLOSING_STUCK = "account.export", "account.closing", "staff.closing"

KINDS = (
    Kind(
        WELCOME,
        gettext_lazy("Welcome"),
        mail=True,
        binding=True,
        listed=False,
        action=gettext_lazy("Open your studio"),
        example=Example(
            title=gettext_lazy("Welcome to ArtistCloner"),
            body=gettext_lazy("Bring 20 to 40 of your works, and watch a model learn your hand."),
        ),
    ),
    Kind(
        EXPORT,
        gettext_lazy("Your archive is ready"),
        mail=True,
        action=gettext_lazy("Download it"),
        example=Example(
            title=gettext_lazy("Your archive is ready"),
            body=gettext_lazy("It can be downloaded for seven days, then it is removed."),
            url="/settings/data/",
        ),
    ),
    Kind(
        CLOSING,
        gettext_lazy("The closing of your account"),
        mail=True,
        binding=True,
        action=gettext_lazy("See what happens when"),
        example=Example(title=gettext_lazy("Your account closes on 4 December 2026"), url="/settings/data/"),
    ),
    Kind(CLOSING_STUCK, "Accounts that cannot be closed", staff=True),
    Kind(STUCK, "Mails that cannot be sent", staff=True),
)


def welcome(user: User, **kwargs: Any) -> None:
    """Receiver of `email_verified`: once a person, whichever of their addresses is proven."""
    with speaking_to(user):
        title = _("Welcome to ArtistCloner")
        body = _("Bring 20 to 40 of your works, and watch a model learn your hand.")
    notify(user=user, kind=WELCOME, key="welcome", title=title, body=body, url=settings.LOGIN_REDIRECT_URL)


def tell_staff_of_what_is_stuck() -> None:
    """Once a day as long as it lasts: what cannot be mailed cannot be told by mail."""
    stuck = outbox.given_up().count()
    if not stuck:
        return
    title = ngettext("%(n)s mail could not be sent.", "%(n)s mails could not be sent.", stuck) % {"n": stuck}
    body = _("Every attempt failed. See the last error in the outbox, set it right and try again from there.")
    url = f"{reverse('admin:accounts_outbox_changelist')}?given_up=yes"
    for member in User.objects.filter(is_staff=True, is_active=True):
        key = f"outbox:{timezone.now():%Y-%m-%d}"
        notify(user=member, kind=STUCK, key=key, title=title, body=body, url=url)
