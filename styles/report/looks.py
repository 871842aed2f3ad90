"""What can be said of a set from its light and its colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from styles.models import Reference
from styles.report.finding import FEW, Finding, about, listed, with_remark

WHITE_EDGE = 0.7  # of the border's pixels
DARK_SHARE = 0.35  # of the pixels of a work that counts as dark
COLOURLESS = 0.06  # mean saturation
ALIKE = 0.12  # median difference from the middle within which works look like one hand's
EVEN = 0.02  # no set is so even that less than this tells anything
FAR = 4.0  # times as far from the middle as usual


def one_hand(works: Sequence[Reference]) -> list[Finding]:
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


def apart(works: Sequence[Reference]) -> list[Finding]:
    """Works that do not belong: as the engine saw it, else by the figures of the intake."""
    if works and all(work.oddness is not None for work in works):
        return _apart_as_seen(works)
    works = [work for work in works if not work.features.get("belongs")]
    if len(works) < 8:
        return []
    middle = _middle(works)
    distances = {work.pk: _distance(work, middle) for work in works}
    usual = max(median(distances.values()), EVEN)
    odd = [work for work in works if distances[work.pk] > FAR * usual]
    if not odd or len(odd) > len(works) * FEW:
        return []
    first = max(odd, key=lambda work: distances[work.pk])
    how = max(_LOOKS, key=lambda look: abs(first.features[look] - middle[look]))
    says = _LOOKS[how][0 if first.features[how] > middle[how] else 1]
    return [
        about(
            "odd_one_out",
            odd,
            lambda n: ngettext("%(n)d work stands apart.", "%(n)d works stand apart.", n),
            _("#%(n)d %(how)s than the others. Leave it out unless you want that learned too.")
            % {"n": first.position, "how": says()},
        )
    ]


def _apart_as_seen(works: Sequence[Reference]) -> list[Finding]:
    odd = with_remark(works, "odd_one_out")
    if not odd:
        return []
    return [
        about(
            "odd_one_out",
            odd,
            lambda n: ngettext("%(n)d work stands apart from the others.", "%(n)d works stand apart.", n),
            _("In what it shows, or in how it is made. Open it to keep it or to leave it out."),
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
    distances = (abs(work.features[look] - middle[look]) for look in _LOOKS)
    return float(sum(distances) / len(_LOOKS))


def palette(works: Sequence[Reference]) -> list[Finding]:
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
        sum(work.features["hues"][hue] * work.features["saturation"] for work in works)
        for hue in range(len(_hue_names()))
    ]
    total = sum(weights) or 1.0
    families: dict[str, float] = {}
    for name, weight in zip(_hue_names(), weights, strict=True):
        families[name] = families.get(name, 0.0) + weight / total
    strong = [name for name, share in sorted(families.items(), key=lambda one: -one[1]) if share >= 0.12]
    missing = [name for name, share in families.items() if share < 0.01]
    found = [
        Finding(
            "palette",
            "good",
            _("The palette lives on %(colours)s.") % {"colours": listed(strong[:3])},
            _("The model will reach for these first."),
        )
    ]
    if missing:
        found.append(
            Finding(
                "missing_colours",
                "remark",
                _("Hardly any %(colours)s.") % {"colours": listed(missing)},
                _("The model can use them, but it will guess how you would."),
            )
        )
    return found


def _hue_names() -> tuple[str, ...]:
    """The colour circle in twelfths, red first; neighbours that people call alike share a name."""
    red, orange, yellow, green = _("reds"), _("oranges"), _("yellows"), _("greens")
    blue, violet, pink = _("blues"), _("violets"), _("pinks")
    return (red, orange, yellow, green, green, green, blue, blue, blue, violet, pink, pink)


def light(works: Sequence[Reference]) -> list[Finding]:
    dark = [work for work in works if work.features["dark"] >= DARK_SHARE]
    on_white = all(work.features["white_edge"] >= WHITE_EDGE for work in works)  # drawings on paper have no night
    if not dark and not on_white and sum(work.features["light"] for work in works) / len(works) > 0.6:
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


def white_edges(works: Sequence[Reference]) -> list[Finding]:
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
        about(
            "white_edges",
            white,
            lambda n: ngettext("%(n)d work fades to white at the edge.", "%(n)d works fade to white at the edge.", n),
            _("The model will fade its pictures too. Crop them, or keep it as part of your hand."),
        )
    ]
