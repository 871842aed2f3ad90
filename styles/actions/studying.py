"""Having the engine look at a set: which work stands apart, and what each shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Max, OuterRef, Q, Subquery
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from config.kit.text import one_line
from gpu import lifecycle
from gpu.models import Job, Worker
from styles import rules
from styles.actions.references import MAX_CAPTION
from styles.models import Reference, Style

KIND = "study"
ODD = "odd_one_out"
FEWEST = 6  # works; of fewer nobody can say what they have in common
SETTLED = timedelta(seconds=15)  # since the last work came: uploads come in bursts
AWAKE = timedelta(seconds=60)  # a worker that was not seen for so long is none
AT_ONCE = 20


def start_due_studies() -> int:
    """Queue a look at every set that has new works and has settled; how many.

    Once for a set as it is, whatever comes of it. Without a worker nothing happens, and nothing waits for one.
    """
    if not Worker.objects.filter(seen_at__gt=Now() - AWAKE, draining_at=None).exists():
        return 0
    here = Q(references__deleted_at=None)
    sets = Style.objects.annotate(
        works=Count("references", filter=here),
        unseen=Count("references", filter=here & Q(references__oddness=None)),
        grown=Max("references__created_at", filter=here),
    )
    before = Job.objects.filter(kind=KIND, subject=OuterRef("public_id")).order_by("-created_at")
    sets = sets.annotate(looked=Subquery(before.values("created_at")[:1]))
    due = sets.filter(Q(looked=None) | Q(looked__lt=F("grown")), works__gte=FEWEST, unseen__gt=0)
    styles = list(due.filter(grown__lt=Now() - SETTLED).select_related("owner")[:AT_ONCE])
    for style in styles:
        lifecycle.submit(owner=style.owner, kind=KIND, subject=style.public_id, price=0, say="")
    return len(styles)


def note_study(*, style: Style, work: str, oddness: float, odd: bool, caption: str) -> None:
    """Keep what was seen of one work. A caption of the artist's own is never touched."""
    reference = style.references.select_for_update().filter(public_id=UUID(work)).first()
    if reference is None:
        return
    reference.oddness = oddness
    others = [remark for remark in reference.remarks if remark["code"] != ODD]
    belongs = reference.features.get("belongs", False)  # the artist has said so
    _set_remarks(reference, [*others, _odd_remark()] if odd and not belongs else others)
    if caption and _is_suggestion(reference):
        reference.caption = one_line(caption[:MAX_CAPTION], field="caption", name=_("The caption"), most=MAX_CAPTION)
        reference.caption_source = Reference.CaptionSource.MODEL
    reference.save(update_fields=["oddness", "remarks", "verdict", "caption", "caption_source"])


@transaction.atomic
def keep_in_set(*, reference: Reference) -> Reference:
    """The artist says that it belongs: it is not remarked on again."""
    rules.may_work_with(reference.style)
    reference = Reference.objects.select_for_update().get(pk=reference.pk)
    reference.features = {**reference.features, "belongs": True}
    _set_remarks(reference, [remark for remark in reference.remarks if remark["code"] != ODD])
    reference.save(update_fields=["features", "remarks", "verdict"])
    return reference


def _is_suggestion(reference: Reference) -> bool:
    ours = (Reference.CaptionSource.FILENAME, Reference.CaptionSource.MODEL)
    return not reference.caption or reference.caption_source in ours


def _odd_remark() -> dict[str, Any]:
    say = _("It stands apart from the others: in what it shows, or in how it is made. Keep it if it is your hand too.")
    return {"code": ODD, "say": say}


def _set_remarks(reference: Reference, remarks: list[dict[str, Any]]) -> None:
    reference.remarks = remarks
    reference.verdict = Reference.Verdict.REMARKED if remarks else Reference.Verdict.ACCEPTED
