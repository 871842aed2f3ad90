"""From what the artist wrote to what the engine is told."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ESCAPED = re.compile(r"\\([()\[\]])")
_WEIGHT = re.compile(r":\s*[\d.+-]*\s*(?=[)\]])")
_OPENED, _CLOSED = re.compile(r"[(\[]+"), re.compile(r"[)\]]+")


def with_triggers(prompt: str, words: Iterable[str]) -> str:
    """The prompt and the styles' trigger words, each only if it is not there already.

    They come last, as in the captions that the styles were trained on; a prompt of any length is read to its end.
    """
    missing = [word for word in dict.fromkeys(words) if word and not _holds(prompt, word)]
    return ", ".join(filter(None, [prompt, *missing]))


def readings(prompt: str) -> list[str]:
    """How a prompt reads with its weights taken out: “(na:1.1)ked” is “naked” as well as “na ked”.

    What is safe must be safe in each of them, whether brackets part words or join them.
    """
    plain = _WEIGHT.sub("", _ESCAPED.sub(r"\1", prompt))
    return [_OPENED.sub(before, _CLOSED.sub(after, plain)) for before in (" ", "") for after in (" ", "")]


def _holds(prompt: str, word: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", prompt, re.IGNORECASE))
