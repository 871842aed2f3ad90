"""From what the artist wrote to what the engine is told."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The text encoder reads the first 77 tokens, some 250 letters; what comes later is cut off.
READ_BY_THE_ENCODER = 250


def with_triggers(prompt: str, words: Iterable[str]) -> str:
    """The prompt and the styles' trigger words, each only if it is not there already.

    They come last, as in the captions that the styles were trained on, unless nobody would read them there.
    """
    missing = [word for word in dict.fromkeys(words) if not _holds(prompt, word)]
    last = ", ".join(filter(None, [prompt, *missing]))
    return last if len(last) <= READ_BY_THE_ENCODER else ", ".join([*missing, prompt])


def _holds(prompt: str, word: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", prompt, re.IGNORECASE))
