"""Parts of pages, rendered without a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from config.kit import media
from styles import queries
from styles.actions import Accepted, Refused
from styles.actions.references import MAX_CAPTION
from styles.buckets import fate, training_sizes
from styles.intake.sandbox import THUMB_SIDE
from styles.models import Reference, Style
from styles.sheet import report_context, sheet_context, tally_context

# how a status looks and what it is called; `good` carries a tick, `live` the one pulsing dot
_STATUS = {
    Style.Status.DRAFT: "plain",
    Style.Status.READY: "good",
    Style.Status.TRAINING: "live",
    Style.Status.TRAINED: "good",
    Style.Status.FAILED: "bad",
}


def status_badge(style: Style, *, read_only: bool = False) -> dict[str, str]:
    """`kind` and `say` for ui/badge.html."""
    if read_only:
        return {"kind": "locked", "say": _("read-only")}
    say = {
        Style.Status.DRAFT: _("collecting works"),
        Style.Status.READY: _("ready to train"),
        Style.Status.TRAINING: _("learning"),
        Style.Status.FAILED: _("training failed"),
        Style.Status.TRAINED: _("version %(n)d") % {"n": style.active_adapter.number} if style.active_adapter else "",
    }[Style.Status(style.status)]
    return {"kind": _STATUS[Style.Status(style.status)], "say": say}


def style_cards(user: User, styles: Iterable[Style]) -> list[SafeString]:
    """A person's styles; those beyond their plan are marked."""
    resting = queries.read_only_ids(user)
    return [style_card(style, read_only=style.pk in resting) for style in styles]


def style_card(style: Style, *, pictures: int | None = None, read_only: bool = False) -> SafeString:
    """A style as its four-picture cover; `pictures` made with it, where the page knows."""
    works = queries.works_count(style)
    facts = [ngettext("%(n)d work", "%(n)d works", works) % {"n": works}]
    if style.kind == Style.Kind.IMPORTED:
        facts = [_("imported"), *(facts if works else [])]
    if pictures is not None:
        facts.append(ngettext("%(n)d picture", "%(n)d pictures", pictures) % {"n": pictures})
    if style.is_sample:
        facts.append(_("sample"))
    badge = status_badge(style, read_only=read_only)
    context: dict[str, Any] = {
        "style": style,
        "covers": [media.signed_url(reference.thumb_key) for reference in queries.cover(style)],
        "kind": badge["kind"],
        "state": badge["say"],
        "facts": facts,
    }
    return render_to_string("styles/_card.html", context)


def reference_tile(reference: Reference, *, oob: bool = False) -> SafeString:
    """One work in its frame, with its verdict and caption."""
    context = {"reference": reference, "src": media.signed_url(reference.thumb_key), "oob": oob}
    return render_to_string("styles/_reference.html", context)


def verdict(one: Accepted | Refused) -> SafeString:
    """The frame of a file that just came: the work, or why it was refused."""
    if isinstance(one, Accepted):
        return reference_tile(one.reference)
    return render_to_string("styles/_refused.html", {"refused": one})


def sheet(style: Style, *, oob: bool = False) -> SafeString:
    return render_to_string("styles/_sheet.html", sheet_context(style) | {"oob": oob})


def report(style: Style, *, oob: bool = False) -> SafeString:
    """What the set will teach, what it lacks, what must be said, and the way on."""
    return render_to_string("styles/_report.html", report_context(style) | {"oob": oob})


def studied(style: Style) -> SafeString:
    """All that a look at the set may have changed on its page: each frame, the figures and the report."""
    frames = [reference_tile(reference, oob=True) for reference in style.references.all()]
    return SafeString("".join([*frames, tally(style), report(style, oob=True)]))


def tally(style: Style) -> SafeString:
    """The figures above the sheet, swapped wherever they stand."""
    return render_to_string(
        "styles/_tally.html",
        tally_context(style)
        | {
            "style": style,
            "badge": status_badge(style, read_only=queries.is_read_only(style)),
            "oob": True,
            "show": "all",
        },
    )


def work_context(reference: Reference) -> dict[str, Any]:
    style = reference.style
    scale = min(1.0, THUMB_SIDE / max(reference.width, reference.height))
    return {
        "style": style,
        "tab": "references",
        "reference": reference,
        "src": media.signed_url(reference.thumb_key),
        "shown": (round(reference.width * scale), round(reference.height * scale)),
        "fate": fate(reference.width, reference.height, sizes=training_sizes()),
        "following": queries.next_reference(reference),
        "most": MAX_CAPTION,
    }


def work_drawer(request: HttpRequest, reference: Reference) -> SafeString:
    return render_to_string("styles/_work.html", work_context(reference), request=request)
