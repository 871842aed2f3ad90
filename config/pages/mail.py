"""The local mailbox: without a mail server, mails are files; their page answers loopback only."""

from __future__ import annotations

import email
import email.policy
import ipaddress
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

SHOWN = 50  # newest mails; older ones stay in the folder


def _only_at_home(request: HttpRequest) -> None:
    """Mails carry sign-in codes: shown only where the browser sits on this very machine."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR") or request.META.get("HTTP_FORWARDED")
    address = request.META.get("REMOTE_ADDR") or ""
    try:
        at_home = ipaddress.ip_address(address).is_loopback
    except ValueError:
        at_home = False
    if settings.EMAIL_URL or forwarded or not at_home:
        raise Http404


def _read(path: Path) -> EmailMessage:
    # the file backend separates mails with a rule of dashes; one mail is one file here
    raw = path.read_bytes().rsplit(b"\n" + b"-" * 79, 1)[0]
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _mails() -> list[Path]:
    folder = Path(settings.MAIL_DIR)
    if not folder.is_dir():
        return []
    return sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)[:SHOWN]


def mailbox(request: HttpRequest) -> HttpResponse:
    _only_at_home(request)
    mails = [{"name": path.stem, "subject": _read(path)["subject"], "to": _read(path)["to"]} for path in _mails()]
    return render(request, "pages/mailbox.html", {"mails": mails})


def message(request: HttpRequest, name: str) -> HttpResponse:
    _only_at_home(request)
    for path in _mails():
        if path.stem == name:
            mail = _read(path)
            body = mail.get_body(("plain",))
            return render(request, "pages/mail.html", {"mail": mail, "text": body.get_content() if body else ""})
    raise Http404
