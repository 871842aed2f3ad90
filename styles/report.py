"""What a set will teach well and what it lacks, in sentences, from measured figures."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from styles import rules
from styles.actions.references import SMALL_SIDE
from styles.buckets import Fate, fate, training_resolution
from styles.models import Reference, Style

Kind = Literal["good", "remark"]

CUT_SHARE = 0.85  # a work of which less is kept loses something one would see
WHITE_EDGE = 0.7  # of the border's pixels
DARK_SHARE = 0.35  # of the pixels of a work that counts as dark
COLOURLESS = 0.06  # mean saturation
ALIKE = 0.12  # spread of light and contrast within which works look like one hand's
FAR = 4.0  # median distances from the set's middle
WIDE, TALL = 1.15, 1 / 1.15
FEW = 0.15  # of the set


@dataclass(frozen=True)
class Finding:
    """`say` is the sentence, `more` what follows from it, `images` the numbers of the frames it is about."""

    code: str
    kind: Kind
    say: str
    more: str = ""
    images: list[int] = field(default_factory=list)


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
    resolution = training_resolution()
    fates = [fate(work.width, work.height, resolution=resolution) for work in works]
    findings = [_count(works, needed)]
    if works:
        findings += [
            finding
            for look in (_sharp_and_large, _doubles, _captions, _one_hand, _apart, _palette, _light, _white_edges)
            for finding in look(works)
        ]
        findings += _shapes(works, fates)
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


def _count(works: Sequence[Reference], needed: int) -> Finding:
    here = len(works)
    if here < needed:
        return Finding(
            "count",
            "remark",
            _("%(here)d of %(needed)d works are here.") % {"here": here, "needed": needed},
            _("From fewer, a model learns the pictures by heart instead of the hand."),
        )
    return Finding("count", "good", _("%(here)d works are enough to learn from.") % {"here": here})


def _sharp_and_large(works: Sequence[Reference]) -> list[Finding]:
    found = []
    small = [work for work in works if min(work.width, work.height) < SMALL_SIDE]
    if small:
        found.append(
            _about(
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
    blurred = _with_remark(works, "blurred")
    if blurred:
        found.append(
            _about(
                "blurred",
                blurred,
                lambda n: ngettext("%(n)d work looks blurred.", "%(n)d works look blurred.", n),
                _("The model learns blur too. Add sharper scans, unless softness is part of your hand."),
            )
        )
    return found


def _doubles(works: Sequence[Reference]) -> list[Finding]:
    doubles = _with_remark(works, "near_duplicate")
    if not doubles:
        return []
    return [
        _about(
            "near_duplicates",
            doubles,
            lambda n: ngettext(
                "%(n)d work is almost the same as another.", "%(n)d works are almost the same as others.", n
            ),
            _("What comes twice is learned twice. Keep the better one of each."),
        )
    ]


def _captions(works: Sequence[Reference]) -> list[Finding]:
    without = [work for work in works if not work.caption]
    if not without:
        return [Finding("captions", "good", _("Every work has a caption."), _("What they name, you can ask for."))]
    return [
        _about(
            "captions",
            without,
            lambda n: ngettext("%(n)d work has no caption.", "%(n)d works have no caption.", n),
            _("Say in a few words what is to be seen, and leave out how it is made: that is what the model learns."),
        )
    ]


def _one_hand(works: Sequence[Reference]) -> list[Finding]:
    if len(works) < 4:
        return []
    middle = [_distance(work, _middle(works)) for work in works]
    if median(middle) <= ALIKE:
        return [
            Finding(
                "one_hand",
                "good",
                _("Light, colour and detail are alike throughout."),
                _("This is what the model will learn first."),
            )
        ]
    return [
        Finding(
            "many_hands",
            "remark",
            _("The works differ widely in light, colour and detail."),
            _("The model will learn what they share. Two styles with fewer works each may be truer."),
        )
    ]


def _apart(works: Sequence[Reference]) -> list[Finding]:
    if len(works) < 8:
        return []
    middle = _middle(works)
    distances = {work.pk: _distance(work, middle) for work in works}
    usual = max(median(distances.values()), 0.03)
    odd = [work for work in works if distances[work.pk] > FAR * usual]
    if not odd or len(odd) > len(works) * FEW:
        return []
    first = max(odd, key=lambda work: distances[work.pk])
    how = max(_LOOKS, key=lambda look: abs(first.features[look] - middle[look]))
    says = _LOOKS[how][0 if first.features[how] > middle[how] else 1]
    return [
        _about(
            "odd_one_out",
            odd,
            lambda n: ngettext("%(n)d work stands apart.", "%(n)d works stand apart.", n),
            _("#%(n)d %(how)s than the others. Leave it out unless you want that learned too.")
            % {"n": first.position, "how": says()},
        )
    ]


# a figure of a work, and how a work is called that has much more or much less of it than the rest
_LOOKS: dict[str, tuple[Callable[[], str], Callable[[], str]]] = {
    "light": (lambda: _("is much lighter"), lambda: _("is much darker")),
    "contrast": (lambda: _("has much more contrast"), lambda: _("has much less contrast")),
    "saturation": (lambda: _("is much more colourful"), lambda: _("has much less colour")),
    "white": (lambda: _("has much more white in it"), lambda: _("has much less white in it")),
    "detail": (lambda: _("has much more detail"), lambda: _("has much less detail")),
}


def _middle(works: Sequence[Reference]) -> dict[str, float]:
    return {look: median(work.features[look] for work in works) for look in _LOOKS}


def _distance(work: Reference, middle: dict[str, float]) -> float:
    """Mean difference from the set's middle, over the figures in `_LOOKS`."""
    return sum(abs(work.features[look] - middle[look]) for look in _LOOKS) / len(_LOOKS)


def _palette(works: Sequence[Reference]) -> list[Finding]:
    saturation = sum(work.features["saturation"] for work in works) / len(works)
    if saturation < COLOURLESS:
        return [
            Finding(
                "palette",
                "good",
                _("Black, white and greys throughout."),
                _("The model will draw without colour unless you ask for it."),
            )
        ]
    weights = [
        sum(work.features["hues"][hue] * work.features["saturation"] for work in works) for hue in range(len(_HUES()))
    ]
    total = sum(weights) or 1.0
    families: dict[str, float] = {}
    for name, weight in zip(_HUES(), weights, strict=True):
        families[name] = families.get(name, 0.0) + weight / total
    strong = [name for name, share in sorted(families.items(), key=lambda one: -one[1]) if share >= 0.12]
    missing = [name for name, share in families.items() if share < 0.01]
    found = [
        Finding(
            "palette",
            "good",
            _("The palette lives on %(colours)s.") % {"colours": _listed(strong[:3])},
            _("The model will reach for these first."),
        )
    ]
    if missing:
        found.append(
            Finding(
                "missing_colours",
                "remark",
                _("Hardly any %(colours)s.") % {"colours": _listed(missing)},
                _("The model can use them, but it will guess how you would."),
            )
        )
    return found


def _HUES() -> tuple[str, ...]:
    """The colour circle in twelfths, red first; neighbours that people call alike share a name."""
    red, orange, yellow, green = _("reds"), _("oranges"), _("yellows"), _("greens")
    blue, violet, pink = _("blues"), _("violets"), _("pinks")
    return (red, orange, yellow, green, green, green, blue, blue, blue, violet, pink, pink)


def _light(works: Sequence[Reference]) -> list[Finding]:
    dark = [work for work in works if work.features["dark"] >= DARK_SHARE]
    if not dark and sum(work.features["light"] for work in works) / len(works) > 0.6:
        return [
            Finding(
                "no_dark", "remark", _("No dark picture."), _("Night and shadow will come out in daylight colours.")
            )
        ]
    if len(dark) == len(works):
        return [Finding("all_dark", "good", _("Every work is dark."), _("The model will keep to the night."))]
    if dark:
        return [
            Finding(
                "light_and_dark",
                "good",
                _("Light and dark pictures."),
                _("%(dark)d of %(all)d are dark: both will work.") % {"dark": len(dark), "all": len(works)},
            )
        ]
    return []


def _white_edges(works: Sequence[Reference]) -> list[Finding]:
    white = [work for work in works if work.features["white_edge"] >= WHITE_EDGE]
    if len(white) == len(works):
        return [
            Finding(
                "on_white",
                "good",
                _("Every work stands on white."),
                _("The model will set its subjects on white too."),
            )
        ]
    if len(white) < max(2, FEW * len(works)):
        return []
    return [
        _about(
            "white_edges",
            white,
            lambda n: ngettext("%(n)d work fades to white at the edge.", "%(n)d works fade to white at the edge.", n),
            _("The model will fade its pictures too. Crop them, or keep it as part of your hand."),
        )
    ]


def _shapes(works: Sequence[Reference], fates: Sequence[Fate]) -> list[Finding]:
    ratios = [work.width / work.height for work in works]
    wide = sum(ratio > WIDE for ratio in ratios)
    tall = sum(ratio < TALL for ratio in ratios)
    square = len(works) - wide - tall
    few = max(1, round(FEW * len(works)))
    weak = [name for name, count in ((_("wide"), wide), (_("upright"), tall), (_("square"), square)) if count < few]
    counts = _("%(tall)d upright, %(square)d square, %(wide)d wide.") % {"tall": tall, "square": square, "wide": wide}
    found = []
    if not weak:
        found.append(Finding("shapes", "good", _("Every shape is there."), counts))
    else:
        found.append(
            Finding(
                "shapes",
                "remark",
                _("Few or no %(shapes)s pictures.") % {"shapes": _listed(weak)},
                counts + " " + _("Pictures of other shapes will be weaker."),
            )
        )
    cut = [work for work, seen in zip(works, fates, strict=True) if seen.kept < CUT_SHARE]
    if cut:
        found.append(
            _about(
                "cropped",
                cut,
                lambda n: ngettext(
                    "%(n)d work is too long and loses its ends in training.",
                    "%(n)d works are too long and lose their ends in training.",
                    n,
                ),
                _("Cut out the part that matters, so that you choose what stays."),
            )
        )
    return found


def _about(code: str, works: Sequence[Reference], say: Callable[[int], str], more: str) -> Finding:
    return Finding(code, "remark", say(len(works)) % {"n": len(works)}, more, [work.position for work in works])


def _with_remark(works: Sequence[Reference], code: str) -> list[Reference]:
    return [work for work in works if any(remark["code"] == code for remark in work.remarks)]


def _listed(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return _("%(some)s and %(last)s") % {"some": ", ".join(words[:-1]), "last": words[-1]}
