"""The icons there are: the symbols of the sprite. A name that is not drawn fails loudly instead of showing a hole."""

import re
from functools import lru_cache
from pathlib import Path

from django.contrib.staticfiles import finders

SPRITE = "img/icons.svg"


class UnknownIcon(LookupError):
    """A template asks for an icon that is not in the sprite."""


@lru_cache(maxsize=1)
def icon_names() -> frozenset[str]:
    """Every name in the sprite."""
    found = finders.find(SPRITE)
    if not isinstance(found, str):
        raise UnknownIcon(f"the sprite {SPRITE} is missing")
    return frozenset(re.findall(r'<symbol id="([a-z0-9-]+)"', Path(found).read_text()))
