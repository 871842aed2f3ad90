"""What tools that make films read alike: how long one is to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from config.kit.errors import Refusal
from generation.sources import Source
from generation.tools import Wish
from generation.tools.reading import given, number
from gpu.engine.catalogue import Size

SECONDS = (4, 6)


def read_seconds(options: Mapping[str, Any]) -> int:
    value = given(options, "seconds")
    if value is None:
        return SECONDS[0]
    for seconds in SECONDS:
        if str(value) == str(seconds):
            return seconds
    raise Refusal(_("A film is 4 or 6 seconds long."), code="bad_seconds", field="seconds")


def shown_seconds(options: Mapping[str, Any]) -> int:
    """What the form stands at: what was chosen, as far as it can be."""
    chosen = round(number(options.get("seconds"), SECONDS[0]))
    return chosen if chosen in SECONDS else SECONDS[0]


def film_of(source: Source, *, size: Size, seed: int, base: str, options: dict[str, Any]) -> Wish:
    """The wish for one film. It is told by the words of the picture that it shows."""
    prompt = source.artwork.prompt if source.artwork else ""
    return Wish(
        prompt=prompt,
        full_prompt=prompt,
        negative_prompt="",
        seed=seed,
        count=1,
        params={"base": base, "width": size[0], "height": size[1], "count": 1, "options": options},
        styles=[],
        source=source,
    )
