"""A picture continued beyond its edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from billing.plans import PRICES
from config.kit.errors import Refusal
from generation import sources
from generation.sources import MAX_SIDE, Source
from generation.tools import PAINTING, Material, Tool, Wish
from generation.tools.reading import given, number, whole
from generation.tools.shared import base_here, options_of, painted
from generation.tools.specs import picture
from gpu.engine.catalogue import BaseFacts, Size
from gpu.engine.contract import OutpaintSpec

if TYPE_CHECKING:
    from generation.models import Output

NAME = "outpaint"
COUNT = 2
NAMES = {
    "left": gettext_lazy("Left"),
    "top": gettext_lazy("Top"),
    "right": gettext_lazy("Right"),
    "bottom": gettext_lazy("Bottom"),
}
SIDES = tuple(NAMES)
FORMATS = ((1, 1), (4, 3), (3, 4), (3, 2), (2, 3), (16, 9), (9, 16), (2, 1))


@dataclass(frozen=True)
class Room:
    """How far a picture can be continued. All in pixels of the result."""

    width: int  # the picture itself, as it lies in the result
    height: int
    most: int  # the longest side of a result
    stride: int


def room(source: Source, base: BaseFacts) -> Room:
    """A picture larger than the base's own sizes is reduced to them: what is drawn beside it must have its scale."""
    largest = max(max(size) for size in base.sizes)
    width, height = sources.nearby(source.size, base, longest=largest)
    most = min(MAX_SIDE, 2 * base.native) // base.stride * base.stride
    return Room(width=width, height=height, most=max(most, width, height), stride=base.stride)


def read(owner: User, data: Mapping[str, Any]) -> Wish:
    """`left`, `top`, `right` and `bottom` are the pixels added on each side."""
    source = sources.read(owner, data)
    here, options = room(source, base_here()), options_of(data)
    added = {side: _side(options, side, here) for side in SIDES}
    if not any(added.values()):
        raise Refusal(_("Drag an edge outwards: nothing was added yet."), code="nothing_added", field="left")
    size = (here.width + added["left"] + added["right"], here.height + added["top"] + added["bottom"])
    _check(size, here)
    return painted(
        owner,
        data,
        size=size,
        count=COUNT,
        options=added,
        source=source,
        source_size=(here.width, here.height),
    )


def _side(options: Mapping[str, Any], side: str, here: Room) -> int:
    value = given(options, side)
    return 0 if value is None else whole(value, field=side, name=str(NAMES[side]), low=0, high=here.most)


def _check(size: Size, here: Room) -> None:
    for pixels, field, sides in ((size[0], "left", _("Left and right")), (size[1], "top", _("Top and bottom"))):
        if pixels > here.most:
            say = _("%(sides)s together make the picture %(pixels)d pixels; %(most)d are the most.")
            values = {"sides": sides, "pixels": pixels, "most": here.most}
            raise Refusal(say % values, code="too_far", field=field)
        if pixels % here.stride:
            say = _("%(sides)s together must be a multiple of %(stride)d pixels for this base.")
            raise Refusal(say % {"sides": sides, "stride": here.stride}, code="bad_step", field=field)


def fields(source: Source | None, values: Mapping[str, Any]) -> dict[str, Any]:
    if source is None:
        return {}
    here, options = room(source, base_here()), options_of(values)
    return {
        "room": here,
        "sides": [(side, NAMES[side], round(number(options.get(side), 0))) for side in SIDES],
        "formats": [f"{across}:{down}" for across, down in FORMATS],
        "reduced": max(source.size) > max(here.width, here.height),
    }


def build_spec(output: Output, material: Material) -> OutpaintSpec:
    options = output.request.params["options"]
    return OutpaintSpec(
        **picture(output, material),
        source=material.source,
        left=options["left"],
        top=options["top"],
    )


TOOL = Tool(
    name=NAME,
    title=gettext_lazy("Extend"),
    say=gettext_lazy("Drag an edge outwards, and the picture goes on beyond it."),
    icon="expand",
    price=PRICES["picture"],
    read=read,
    build_spec=build_spec,
    template="generation/tools/outpaint.html",
    stage="generation/tools/outpaint_stage.html",
    fields=fields,
    shared=PAINTING - {"format"},
    needs_source=True,
    count=COUNT,
    asks=gettext_lazy("What is there to be seen, inside and outside?"),
)
