"""A picture enlarged, with as much new detail as is wished."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from billing.plans import PRICES
from config.kit.errors import Refusal
from generation import sources
from generation.sources import Source
from generation.tools import Material, Tool, Wish
from generation.tools.reading import given, number, real
from generation.tools.shared import options_of, painted
from generation.tools.specs import picture
from gpu.engine import catalogue
from gpu.engine.catalogue import BaseFacts, Size
from gpu.engine.contract import UpscaleSpec

if TYPE_CHECKING:
    from generation.models import Output

NAME = "upscale"
FACTORS = (2, 4)
MAX_RESULT = 4096  # pixels of the longer side: a page printed at 300 dots an inch
STRENGTH, MOST = 0.25, 0.6  # beyond, each tile begins to tell a story of its own


def read(owner: User, data: Mapping[str, Any]) -> Wish:
    """`factor` 2 or 4; `strength` 0 only enlarges, more draws new detail. A prompt is not needed."""
    source, options = sources.read(owner, data), options_of(data)
    factor = _factor(given(options, "factor"), source)
    value = given(options, "strength")
    strength = STRENGTH if value is None else real(value, field="strength", name=_("New detail"), low=0.0, high=MOST)
    size = (source.width * factor, source.height * factor)
    told = {**data, "count": 1}
    if source.artwork and not given(data, "prompt"):
        told["prompt"] = source.artwork.prompt
    return painted(
        owner,
        told,
        size=size,
        needs_prompt=False,
        options={"factor": factor, "strength": strength},
        source=source,
    )


def _factor(value: Any, source: Source) -> int:
    if value is None:
        value = FACTORS[0]
    factor = next((one for one in FACTORS if str(one) == str(value)), None)
    if factor is None:
        raise Refusal(_("A picture is enlarged 2 or 4 times."), code="bad_factor", field="factor")
    if max(source.size) * factor > MAX_RESULT:
        say = _("Enlarged %(factor)d times it would be %(width)d × %(height)d; %(most)d pixels a side are the most.")
        values = {"factor": factor, "width": source.width * factor, "height": source.height * factor}
        raise Refusal(say % {**values, "most": MAX_RESULT}, code="too_large", field="factor")
    return factor


def tile(size: Size, base: BaseFacts) -> Size:
    """Of what size detail is drawn in one go: the base's own, or less where the result is smaller."""
    return (
        min(base.native, max(base.stride, size[0] // base.stride * base.stride)),
        min(base.native, max(base.stride, size[1] // base.stride * base.stride)),
    )


def fields(source: Source | None, values: Mapping[str, Any]) -> dict[str, Any]:
    if source is None:
        return {}
    options = options_of(values)
    factors = [
        {"value": one, "width": source.width * one, "height": source.height * one}
        for one in FACTORS
        if max(source.size) * one <= MAX_RESULT
    ]
    chosen = number(options.get("factor"), FACTORS[0])
    return {
        "factors": factors,
        "factor": chosen,
        "most_result": MAX_RESULT,
        "strength": number(options.get("strength"), STRENGTH),
        "most": MOST,
    }


def build_spec(output: Output, material: Material) -> UpscaleSpec:
    params = output.request.params
    width, height = tile((params["width"], params["height"]), catalogue.describe(params["base"]))
    options = params["options"]
    told = {**picture(output, material), "width": width, "height": height}
    return UpscaleSpec(**told, source=material.source, factor=options["factor"], strength=options["strength"])


TOOL = Tool(
    name=NAME,
    title=gettext_lazy("Enlarge"),
    say=gettext_lazy("Twice or four times as large, with as much new detail as you like."),
    icon="maximize-2",
    price=PRICES["upscale"],
    read=read,
    build_spec=build_spec,
    template="generation/tools/upscale.html",
    fields=fields,
    shared=frozenset({"prompt", "styles", "negative", "steps", "guidance", "seed"}),
    needs_source=True,
    count=1,
    asks=gettext_lazy("What is to be seen in it?"),
    needs_prompt=False,
    draws=lambda params: bool(params["options"]["strength"]),
)
