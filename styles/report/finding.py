"""One sentence of the report, and how works are named in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from django.utils.translation import gettext as _

from styles.models import Reference

Kind = Literal["good", "remark"]

FEW = 0.15  # of the set


@dataclass(frozen=True)
class Finding:
    """`say` is the sentence, `more` what follows from it, `images` the numbers of the frames it is about."""

    code: str
    kind: Kind
    say: str
    more: str = ""
    images: list[int] = field(default_factory=list)


def about(code: str, works: Sequence[Reference], say: Callable[[int], str], more: str) -> Finding:
    return Finding(code, "remark", say(len(works)) % {"n": len(works)}, more, [work.position for work in works])


def with_remark(works: Sequence[Reference], code: str) -> list[Reference]:
    return [work for work in works if any(remark["code"] == code for remark in work.remarks)]


def listed(words: Sequence[str], *, last: str = "") -> str:
    """“a, b and c”; `last` is the word before the last one."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last or _('and')} {words[-1]}"
