"""What may be shown only to somebody who sits at the machine of the server: sign-in codes and one-time links."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

# any of these means that somebody else's request was passed on to us
_PROXY_HEADERS = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serves_loopback_only() -> bool:
    """Whether people reach this installation on its own machine alone, by its public address."""
    return _is_loopback(urlsplit(settings.PUBLIC_URL).hostname or "")


def from_this_machine(request: HttpRequest) -> bool:
    """Whether the browser sits on this machine: a loopback peer, nothing forwarded, and no public address.

    The public address counts as well, because a proxy on this machine need not say that it forwards.
    """
    forwarded = any(name in _PROXY_HEADERS or name.startswith("HTTP_X_FORWARDED") for name in request.META)
    return serves_loopback_only() and not forwarded and _is_loopback(request.META.get("REMOTE_ADDR") or "")
