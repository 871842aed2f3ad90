"""The local mailbox: without a mail server, mails are files; their page answers this machine only."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp, csp_update
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from accounts.loopback import from_this_machine

SHOWN = 50  # newest mails; older ones stay in the folder
# Under each mail Django's file backend writes a rule of dashes; mails of the same second may share a file.
BETWEEN = re.compile(rb"\n-{79}\n(?=Content-Type:|\Z)")

# The one answer with inline styles: without scripts, forms or an origin, and in a frame of this site alone.
AS_IT_LOOKS: dict[str, Any] = {
    "sandbox": True,
    "default-src": [NONE],
    "style-src": [UNSAFE_INLINE],
    "img-src": ["data:"],
    "base-uri": [NONE],
    "form-action": [NONE],
    "frame-ancestors": [SELF],
}


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
@csp_update({"frame-src": [SELF]})  # type: ignore[arg-type]  # of views without arguments, it thinks
def message(request: HttpRequest, name: str) -> HttpResponse:
    """One mail as plain text, whose links can be followed; `?side=html`: as it looks, in a frame."""
    mail = _found(request, name)
    html = bool(_side(mail, "html"))
    framed = html and request.GET.get("side") == "html"
    context = {"mail": mail, "name": name, "text": _side(mail, "plain"), "html": html, "framed": framed}
    return render(request, "pages/mail.html", context)


@require_safe
@never_cache
@xframe_options_sameorigin
@csp(AS_IT_LOOKS)  # type: ignore[arg-type]
def looks(request: HttpRequest, name: str) -> HttpResponse:
    """The HTML side of a mail, for that frame. A mail brings its own styles; nothing else of it may do anything."""
    html = _side(_found(request, name), "html")
    if not html:
        raise Http404
    return HttpResponse(html)


def _found(request: HttpRequest, name: str) -> EmailMessage:
    _only_at_home(request)
    mail = dict(_mails()).get(name)
    if mail is None:
        raise Http404
    return mail


def _side(mail: EmailMessage, side: str) -> str:
    body = mail.get_body((side,))
    return str(body.get_content()) if body else ""
