"""What the references page shows: forty numbered frames, and what stands beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from config.kit.errors import Refusal
from styles import queries, rules
from styles.actions.papers import MAX_CONSENT, declaration_version
from styles.models import Reference, Style
from styles.report import dataset_report
from styles.wordings import CONSENT_VERSION, CONSENTS, DECLARATIONS

SHOWN = ("all", "remarks", "uncaptioned")


@dataclass(frozen=True)
class Slot:
    """One numbered frame: a work, or the place where one is needed (blank) or welcome (spare)."""

    number: int
    reference: Reference | None
    look: str


def slots(style: Style, *, show: str = "all") -> list[Slot]:
    works = list(style.references.all())
    if show == "remarks":
        return [Slot(work.position, work, "") for work in works if work.remarks]
    if show == "uncaptioned":
        return [Slot(work.position, work, "") for work in works if not work.caption]
    by_number = {work.position: work for work in works}
    needed, most = rules.MIN_REFERENCES(style.kind), rules.MAX_REFERENCES(style.kind)
    return [
        Slot(number, by_number.get(number), "blank" if number <= needed else "spare")
        for number in range(1, max([most, *by_number]) + 1)
    ]


def references_page(style: Style, *, show: str = "all") -> dict[str, Any]:
    return (
        {"style": style, "tab": "references", "show": show}
        | sheet_context(style, show=show)
        | tally_context(style)
        | report_context(style)
    )


def _is_asked(refusal: Refusal) -> bool:
    """The page asks for it a line above."""
    return refusal.code == "declaration_missing"


def sheet_context(style: Style, *, show: str = "all") -> dict[str, Any]:
    """The frames; a read-only style shows no empty ones, as nothing can be laid there."""
    shown = slots(style, show=show)
    if queries.is_read_only(style):
        shown = [slot for slot in shown if slot.reference]
    return {"style": style, "slots": shown}


def tally_context(style: Style) -> dict[str, Any]:
    """How many works there are, how many more fit, and how many need a look."""
    works = list(style.references.values_list("remarks", "caption"))
    most = rules.MAX_REFERENCES(style.kind)
    return {
        "style": style,
        "count": len(works),
        "remarks": sum(bool(remarks) for remarks, _caption in works),
        "uncaptioned": sum(not caption for _remarks, caption in works),
        "needed": rules.MIN_REFERENCES(style.kind),
        "most": most,
        "room": max(0, most - len(works)),
    }


def report_context(style: Style) -> dict[str, Any]:
    report = dataset_report(style)
    declaration = queries.current_declaration(style)
    hindrance, read_only = "", queries.is_read_only(style)
    try:
        rules.may_work_with(style)
        rules.ready_to_train(style)
    except Refusal as refusal:
        hindrance = _("Say whose works these are; then it can be trained.") if _is_asked(refusal) else refusal.say
    sizes: dict[tuple[int, int], list[int]] = {}
    for image in report.images:
        sizes.setdefault((image.width, image.height), []).append(image.number)
    return {
        "style": style,
        "report": report,
        "sizes": sorted(sizes.items()),
        "hindrance": hindrance,
        "read_only": read_only,
        "declaration": declaration,
        "declared": DECLARATIONS[declaration.text_version][declaration.choice] if declaration else "",
        "wordings": list(DECLARATIONS[declaration_version(style)].items()),
        "is_person": style.kind == Style.Kind.PERSON,
        "consent": queries.valid_consent(style),
        "consent_wording": CONSENTS[CONSENT_VERSION],
        "consent_until": (timezone.now() + MAX_CONSENT).date(),
        "today": timezone.now().date(),
    }
