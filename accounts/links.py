"""Links of a person to elsewhere: where else their work is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext as _

from config.kit.errors import Refusal
from config.kit.text import one_line

MAX_LINKS, MAX_LABEL, MAX_URL = 5, 40, 300
_is_address = URLValidator(schemes=["https"])


class WrongLink(Refusal):
    """What is wrong with one link; `at` is its place among those that say something, from 0."""

    def __init__(self, refusal: Refusal, *, at: int) -> None:
        super().__init__(refusal.say, code=refusal.code, field=refusal.field)
        self.at = at


def said(links: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Those with an address or a label."""
    return [link for link in links if (link.get("url") or "").strip() or (link.get("label") or "").strip()]


def clean_links(links: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """As they are kept: whole https addresses, each with a label (its host where none is given). Empty ones go."""
    given = said(links)
    if len(given) > MAX_LINKS:
        raise _refusal(_("%(most)d links are the most.") % {"most": MAX_LINKS})
    kept = []
    for at, link in enumerate(given):
        try:
            kept.append(_clean(link))
        except Refusal as refusal:
            raise WrongLink(refusal, at=at) from refusal
    return kept


def _clean(link: Mapping[str, str]) -> dict[str, str]:
    label = one_line(link.get("label") or "", field="links", name=_("The name of a link"), most=MAX_LABEL)
    url = one_line(link.get("url") or "", field="links", name=_("The address of a link"), most=MAX_URL)
    if not url:
        raise _refusal(_("“%(label)s” has no address. Add it, or remove the link.") % {"label": label})
    if "://" not in url:
        url = f"https://{url}"
    try:
        _is_address(url)
    except ValidationError as error:
        raise _refusal(
            _("“%(url)s” is not an address that starts with https://. Copy it from your browser.") % {"url": url}
        ) from error
    parts = urlsplit(url)
    if parts.username is not None:
        raise _refusal(_("“%(url)s” holds a name before its host. Write the address without it.") % {"url": url})
    return {"label": label or (parts.hostname or "").removeprefix("www."), "url": url}


def _refusal(say: str) -> Refusal:
    return Refusal(say, code="links", field="links")
