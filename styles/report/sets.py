"""What can be said of a set from its count, sizes, doubles, captions and shapes."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from styles.actions.references import SMALL_SIDE
from styles.buckets import Fate
from styles.models import Reference
from styles.report.finding import FEW, Finding, about, listed, with_remark

CUT_SHARE = 0.75  # a work of which less is kept loses something one would miss
WIDE, TALL = 1.15, 1 / 1.15


def count(works: Sequence[Reference], needed: int) -> Finding:
    here = len(works)
    if here < needed:
        return Finding(
            "count",
            "remark",
            _("%(here)d of %(needed)d works are here.") % {"here": here, "needed": needed},
            _("From fewer, a model learns the pictures by heart instead of the hand."),
        )
    return Finding("count", "good", _("%(here)d works are enough to learn from.") % {"here": here})


def sharp_and_large(works: Sequence[Reference]) -> list[Finding]:
    found = []
    small = [work for work in works if min(work.width, work.height) < SMALL_SIDE]
    if small:
        found.append(
            about(
                "small",
                small,
                lambda n: ngettext("%(n)d work is small.", "%(n)d works are small.", n),
                _("Under %(side)d pixels on the shorter side, fine strokes are lost. Larger scans would show them.")
                % {"side": SMALL_SIDE},
            )
        )
    else:
        least = min(works, key=lambda work: min(work.width, work.height))
        size = {"width": least.width, "height": least.height}
        found.append(
            Finding(
                "large",
                "good",
                _("Every work is large enough for fine strokes."),
                _("The smallest is %(width)d × %(height)d.") % size,
            )
        )
    blurred = with_remark(works, "blurred")
    if blurred:
        found.append(
            about(
                "blurred",
                blurred,
                lambda n: ngettext("%(n)d work looks blurred.", "%(n)d works look blurred.", n),
                _("The model learns blur too. Add sharper scans, unless softness is part of your hand."),
            )
        )
    return found


def doubles(works: Sequence[Reference]) -> list[Finding]:
    doubles = with_remark(works, "near_duplicate")
    if not doubles:
        return []
    return [
        about(
            "near_duplicates",
            doubles,
            lambda n: ngettext(
                "%(n)d work is almost the same as another.", "%(n)d works are almost the same as others.", n
            ),
            _("What comes twice is learned twice. Keep the better one of each."),
        )
    ]


def captions(works: Sequence[Reference]) -> list[Finding]:
    without = [work for work in works if not work.caption]
    if not without:
        return [Finding("captions", "good", _("Every work has a caption."), _("What they name, you can ask for."))]
    return [
        about(
            "captions",
            without,
            lambda n: ngettext("%(n)d work has no caption.", "%(n)d works have no caption.", n),
            _("Say in a few words what is to be seen, and leave out how it is made: that is what the model learns."),
        )
    ]


def shapes(works: Sequence[Reference], fates: Sequence[Fate]) -> list[Finding]:
    ratios = [work.width / work.height for work in works]
    wide = sum(ratio > WIDE for ratio in ratios)
    tall = sum(ratio < TALL for ratio in ratios)
    square = len(works) - wide - tall
    few = max(1, round(FEW * len(works)))
    shapes = ((_("wide"), wide), (_("upright"), tall), (_("square"), square))
    weak = [name for name, here in shapes if here < few]
    only = next((name for name, here in shapes if here == len(works)), "")
    weaker = _("Pictures of other shapes will be weaker.")
    figures = _("%(tall)d upright, %(square)d square, %(wide)d wide.") % {"tall": tall, "square": square, "wide": wide}
    if only:
        found = [Finding("shapes", "remark", _("Every work is %(shape)s.") % {"shape": only}, weaker)]
    elif weak:
        say = _("Few or no %(shapes)s pictures.") % {"shapes": listed(weak, last=_("or"))}
        found = [Finding("shapes", "remark", say, f"{figures} {weaker}")]
    else:
        found = [Finding("shapes", "good", _("Every shape is there."), figures)]
    cut = [work for work, seen in zip(works, fates, strict=True) if seen.kept < CUT_SHARE]
    if cut:
        found.append(
            about(
                "cropped",
                cut,
                lambda n: ngettext(
                    "%(n)d work fits no training size and loses its edges.",
                    "%(n)d works fit no training size and lose their edges.",
                    n,
                ),
                _("More than a quarter is cut away. Crop them yourself, so that you choose what stays."),
            )
        )
    return found
