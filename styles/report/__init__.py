"""What a set will teach well and what it lacks, in sentences, from measured figures."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from styles import rules
from styles.buckets import fate, training_sizes
from styles.models import Reference, Style
from styles.report.finding import Finding
from styles.report.looks import apart, light, one_hand, palette, white_edges
from styles.report.sets import captions, count, doubles, shapes, sharp_and_large


@dataclass(frozen=True)
class ImageFate:
    id: uuid.UUID
    number: int
    width: int
    height: int
    kept: float


@dataclass(frozen=True)
class Report:
    ready: bool
    summary: str
    accepted: int
    remarked: int
    needed: int
    most: int
    teaches: list[Finding]
    lacks: list[Finding]
    images: list[ImageFate]


def dataset_report(style: Style) -> Report:
    """Reads the figures the intake measured; opens no picture."""
    works = list(style.references.all())
    needed, most = rules.MIN_REFERENCES(style.kind), rules.MAX_REFERENCES(style.kind)
    sizes = training_sizes()
    fates = [fate(work.width, work.height, sizes=sizes) for work in works]
    findings = [count(works, needed)]
    if works:
        findings += [
            finding
            for look in (sharp_and_large, doubles, captions, one_hand, apart, palette, light, white_edges)
            for finding in look(works)
        ]
        findings += shapes(works, fates)
    lacks = [finding for finding in findings if finding.kind == "remark"]
    remarked = sum(work.verdict == Reference.Verdict.REMARKED for work in works)
    return Report(
        ready=rules.is_ready(style),
        summary=_summary(len(works), needed, lacks),
        accepted=len(works) - remarked,
        remarked=remarked,
        needed=needed,
        most=most,
        teaches=[finding for finding in findings if finding.kind == "good"],
        lacks=lacks,
        images=[
            ImageFate(work.public_id, work.position, seen.width, seen.height, round(seen.kept, 4))
            for work, seen in zip(works, fates, strict=True)
        ],
    )


def _summary(count: int, needed: int, lacks: Sequence[Finding]) -> str:
    if count < needed:
        more = needed - count
        return ngettext("%(n)d more work is needed.", "%(n)d more works are needed.", more) % {"n": more}
    if not lacks:
        return _("A good set. Nothing is missing.")
    return ngettext(
        "Enough to train. One thing would make it better.",
        "Enough to train. %(n)d things would make it better.",
        len(lacks),
    ) % {"n": len(lacks)}
