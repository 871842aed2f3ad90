"""What a person typed, made fit to be stored: one form of each letter, one line, no invisible commands."""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext as _

from config.kit.errors import Refusal

_REFUSED = {"Cc", "Cs"}  # control characters and broken halves of letters; a database cannot keep all of them


def one_line(value: str, *, field: str, name: str, most: int) -> str:
    """`value` with its white space collapsed. `name` begins the sentence for one that is too long: “The prompt”."""
    text = " ".join(unicodedata.normalize("NFC", value).split())
    if any(unicodedata.category(letter) in _REFUSED for letter in text):
        say = _("%(name)s holds a character that cannot be shown. Please type it anew.") % {"name": name}
        raise Refusal(say, code="bad_text", field=field)
    if len(text) > most:
        say = _("%(name)s has %(count)s characters; %(most)s are the most.")
        raise Refusal(
            say % {"name": name, "count": f"{len(text):,}", "most": f"{most:,}"}, code="too_long", field=field
        )
    return text


def shortened(value: str, most: int) -> str:
    """The beginning of what is longer than `most`, with a sign that it goes on."""
    return value if len(value) <= most else value[: most - 1].rstrip() + "…"
