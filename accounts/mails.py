"""Mails of the house: what the outbox holds becomes a letter with a text and an HTML side, and leaves.

`templates/mail/<kind>.{txt,html}` where a kind has words of its own, else `mail/notice.{txt,html}`; the layout is
`mail/base.html` for all of them, those of the sign-in (`templates/account/email/`) included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMultiAlternatives
from django.template.loader import select_template
from django.urls import reverse
from django.utils import translation

from accounts.language import language_of
from accounts.models import Outbox, User
from accounts.notifications import Kind, kind_named, mailed, profile_of

_SALT = "accounts.mails.unsubscribe"


@dataclass(frozen=True)
class Letter:
    """All that a mail says. `url` is a path of ours; `facts` are rows of label and figure."""

    kind: Kind
    to: str
    name: str
    title: str
    body: str = ""
    url: str = ""
    facts: Sequence[Sequence[str]] = ()
    unsubscribe: str = ""  # the whole address; empty where it is binding
    language: str = "en"


def deliver(row: Outbox) -> None:
    """Send the mail of an outbox row, unless its person has changed their mind, or is shut out, meanwhile."""
    assert row.user is not None, "a mail goes to a person"
    kind, said = kind_named(row.payload["kind"]), row.payload
    if not kind.binding and not (row.user.is_active and mailed(profile_of(row.user), kind)):
        return
    letter = Letter(
        kind=kind,
        to=said["to"],
        name=row.user.display_name if row.user.is_active else "",
        title=said["title"],
        body=said["body"],
        url=said["url"],
        facts=said["facts"],
        unsubscribe="" if kind.binding else unsubscribe_url(row.user, kind),
        language=language_of(row.user),
    )
    write(letter, message_id=message_id(row.key)).send()


def write(letter: Letter, *, message_id: str = "") -> EmailMultiAlternatives:
    """The letter as a message. A title is one line, whatever somebody called their style."""
    headers = {"Message-ID": message_id} if message_id else {}
    if letter.unsubscribe:  # RFC 8058: mail programs offer a button that posts there
        headers["List-Unsubscribe"] = f"<{letter.unsubscribe}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    with translation.override(letter.language):
        text, html = (_render(letter, side) for side in ("txt", "html"))
    message = EmailMultiAlternatives(" ".join(letter.title.split()), text, to=[letter.to], headers=headers)
    message.attach_alternative(html, "text/html")
    return message


def _render(letter: Letter, side: str) -> str:
    template = select_template([f"mail/{letter.kind.name}.{side}", f"mail/notice.{side}"])
    context = {
        "letter": letter,
        "address": absolute(letter.url) if letter.url else "",
        "settings_url": absolute(reverse("accounts:notifications_settings")),
    }
    return f"{template.render(context).strip()}\n"


def absolute(path: str) -> str:
    """The whole address of a path of this site."""
    return f"{settings.PUBLIC_URL}{path}"


def message_id(key: str) -> str:
    """The same for the same effect: a mail that is sent twice is known to be one."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"<{digest}@{urlsplit(settings.PUBLIC_URL).hostname}>"


def unsubscribe_url(user: User, kind: Kind) -> str:
    """An address that turns the mails of this kind off for this person, signed in or not."""
    token = signing.dumps([str(user.public_id), kind.name], salt=_SALT)
    return absolute(reverse("notifications:unsubscribe", args=[token]))


def whose_unsubscribe(token: str) -> tuple[User, Kind] | None:
    """Who wants to hear no more of what; None for an address that we never wrote."""
    try:
        public_id, name = signing.loads(token, salt=_SALT)
        return User.objects.get(public_id=public_id), kind_named(name)
    except (signing.BadSignature, User.DoesNotExist, KeyError):
        return None


def sample(kind: Kind, person: User) -> Letter:
    """The letter of a kind with its example's words, as staff see it."""
    example = kind.example
    return Letter(
        kind=kind,
        to=person.email,
        name=person.display_name,
        title=str(example.title or kind.say),
        body=str(example.body),
        url=example.url,
        facts=[(str(label), str(figure)) for label, figure in example.facts],
        unsubscribe="" if kind.binding else unsubscribe_url(person, kind),
        language=language_of(person),
    )
