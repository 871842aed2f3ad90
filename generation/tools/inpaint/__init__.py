"""A part of a picture made anew, the rest left as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from billing.plans import PRICES
from generation import masks, sources
from generation.sources import Source
from generation.tools import PAINTING, Material, Tool, Wish
from generation.tools.reading import given, number, real, whole
from generation.tools.shared import base_here, options_of, painted
from generation.tools.specs import picture
from gpu.engine.catalogue import Size
from gpu.engine.contract import InpaintSpec

if TYPE_CHECKING:
    from generation.models import Output

NAME = "inpaint"
COUNT = 2
STRENGTH = 1.0
LEAST, MOST = 0.1, 1.0
MOST_FEATHER = 64
FEATHER_SHARE = 16  # of the shorter side goes over from old to new, where nothing is said


def working_size(source: Source) -> Size:
    """The size at which it is worked on, and of the mask: the picture's own, as far as the base can take it."""
    base = base_here()
    return sources.nearby(source.size, base, longest=2 * base.native)


def read(owner: User, data: Mapping[str, Any]) -> Wish:
    """`mask` is as large as the picture is worked on; `strength` and `feather` are options."""
    source = sources.read(owner, data)
    size = working_size(source)
    options, mask = options_of(data), masks.read(owner, data, size)
    strength, feather = given(options, "strength"), given(options, "feather")
    read_options = {
        "strength": STRENGTH if strength is None else _strength(strength),
        "feather": _feather(size) if feather is None else _read_feather(feather),
    }
    return painted(
        owner, data, size=size, count=COUNT, options=read_options, source=source, source_size=size, mask=mask
    )


def _strength(value: Any) -> float:
    return real(value, field="strength", name=_("Strength"), low=LEAST, high=MOST)


def _read_feather(value: Any) -> int:
    return whole(value, field="feather", name=_("The soft edge"), low=0, high=MOST_FEATHER)


def _feather(size: Size) -> int:
    return min(MOST_FEATHER, min(size) // FEATHER_SHARE)


def fields(source: Source | None, values: Mapping[str, Any]) -> dict[str, Any]:
    if source is None:
        return {}
    size, options = working_size(source), options_of(values)
    brushes = [
        ("brush", "brush", _("Brush")),
        ("erase", "eraser", _("Eraser")),
        ("rectangle", "scan", _("Rectangle")),
        ("move", "hand", _("Move the picture")),
    ]
    numbers = [
        ("x", _("From the left"), size[0] // 4, size[0]),
        ("y", _("From the top"), size[1] // 4, size[1]),
        ("width", _("Width"), size[0] // 2, size[0]),
        ("height", _("Height"), size[1] // 2, size[1]),
    ]
    return {
        "working_width": size[0],
        "working_height": size[1],
        "reduced": max(source.size) > max(size),
        "strength": number(options.get("strength"), STRENGTH),
        "least": LEAST,
        "most": MOST,
        "feather": number(options.get("feather"), _feather(size)),
        "most_feather": MOST_FEATHER,
        "brush": max(8, min(size) // 8),
        "most_brush": min(size) // 2,
        "brushes": brushes,
        "numbers": numbers,
        "mask_uri": values.get("mask_uri", ""),
    }


def build_spec(output: Output, material: Material) -> InpaintSpec:
    options = output.request.params["options"]
    return InpaintSpec(
        **picture(output, material),
        source=material.source,
        mask=material.mask,
        strength=options["strength"],
        feather=options["feather"],
    )


TOOL = Tool(
    name=NAME,
    title=gettext_lazy("Change a part"),
    say=gettext_lazy("Paint over what should be drawn anew. The rest stays as it is, to the last point."),
    icon="brush",
    price=PRICES["picture"],
    read=read,
    build_spec=build_spec,
    template="generation/tools/inpaint.html",
    stage="generation/tools/inpaint_stage.html",
    fields=fields,
    shared=PAINTING - {"format"},
    needs_source=True,
    needs_mask=True,
    count=COUNT,
    asks=gettext_lazy("What should be there instead?"),
)
