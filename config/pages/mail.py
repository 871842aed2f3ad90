"""The local mailbox: without a mail server, mails are files; their page answers this machine only."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.loopback import from_this_machine

SHOWN = 50  # newest mails; older ones stay in the folder
# Under each mail Django's file backend writes a rule of dashes; mails of the same second may share a file.
BETWEEN = re.compile(rb"\n-{79}\n(?=Content-Type:|\Z)")


def _only_at_home(request: HttpRequest) -> None:
    """Mails carry sign-in codes: shown only to a browser on this very machine, and only if no server sends them."""
    if settings.EMAIL_URL or not from_this_machine(request):
        raise Http404


def _mails() -> list[tuple[str, EmailMessage]]:
    """The newest mails, each with a name for its address."""
    folder = Path(settings.MAIL_DIR)
    paths = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)[:SHOWN]
    return [(f"{path.stem}-{number}", mail) for path in paths for number, mail in reversed(_read(path))][:SHOWN]


def _read(path: Path) -> list[tuple[int, EmailMessage]]:
    mails = []
    for number, raw in enumerate(BETWEEN.split(path.read_bytes())):
        if raw:
            mail = email.message_from_bytes(raw, policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            mails.append((number, mail))
    return mails


@require_safe
@never_cache
def mailbox(request: HttpRequest) -> HttpResponse:
    """The newest mails, by subject."""
    _only_at_home(request)
    return render(request, "pages/mailbox.html", {"mails": _mails(), "folder": settings.MAIL_DIR})


@require_safe
@never_cache
def message(request: HttpRequest, name: str) -> HttpResponse:
    """One mail as plain text; its links can be followed."""
    _only_at_home(request)
    mail = dict(_mails()).get(name)
    if mail is None:
        raise Http404
    body = mail.get_body(("plain",))
    return render(request, "pages/mail.html", {"mail": mail, "text": body.get_content() if body else ""})
