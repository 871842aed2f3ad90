"""Words and choices of the pages about signing in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.utils.translation import gettext as _

register = template.Library()

# the first that occurs: browsers name those they descend from, too
BROWSERS = {
    "Edg": "Edge",
    "OPR": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "CrOS": "ChromeOS",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}
HANDHELD = ("iPhone", "iPad", "Android")


@register.filter
def device(user_agent: str) -> str:
    """What a person knows a browser by, from the long line it introduces itself with: “Firefox on Linux”."""
    browser = next((name for mark, name in BROWSERS.items() if mark in user_agent), None)
    system = next((name for mark, name in SYSTEMS.items() if mark in user_agent), None)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("Another browser or program")


@register.filter
def device_icon(user_agent: str) -> str:
    return "smartphone" if any(mark in user_agent for mark in HANDHELD) else "monitor"


@register.filter
def not_among(providers: Iterable[Any], accounts: Iterable[Any]) -> list[Any]:
    """The providers of which nobody is connected yet."""
    connected = {account.provider for account in accounts}
    return [provider for provider in providers if provider.id not in connected]
