"""One picture from another: a variation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from billing.plans import PRICES
from generation import sources
from generation.sources import Source
from generation.tools import PAINTING, Material, Tool, Wish
from generation.tools.reading import given, number, real
from generation.tools.shared import base_here, offered_size, options_of, painted
from generation.tools.specs import picture
from gpu.engine.catalogue import nearest_bucket
from gpu.engine.contract import ImageToImageSpec

if TYPE_CHECKING:
    from generation.models import Output

NAME = "image_to_image"
STRENGTH = 0.55  # half way: the same arrangement, other details
LEAST, MOST = 0.1, 1.0  # below a tenth nothing changes but noise


def read(owner: User, data: Mapping[str, Any]) -> Wish:
    """`strength` says how freely the source is treated. The size is the base's own that is nearest to its shape."""
    source, base = sources.read(owner, data), base_here()
    size = offered_size(data, base, default=nearest_bucket(*source.size, base.sizes))
    value = given(options_of(data), "strength")
    strength = STRENGTH if value is None else real(value, field="strength", name=_("Strength"), low=LEAST, high=MOST)
    return painted(owner, data, size=size, options={"strength": strength}, source=source, source_size=size)


def fields(source: Source | None, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"strength": number(options_of(values).get("strength"), STRENGTH), "least": LEAST, "most": MOST}


def build_spec(output: Output, material: Material) -> ImageToImageSpec:
    strength = output.request.params["options"]["strength"]
    return ImageToImageSpec(**picture(output, material), source=material.source, strength=strength)


TOOL = Tool(
    name=NAME,
    title=gettext_lazy("Variations"),
    say=gettext_lazy("Pictures made from this one: close to it, or freely after it."),
    icon="shuffle",
    price=PRICES["picture"],
    read=read,
    build_spec=build_spec,
    template="generation/tools/image_to_image.html",
    fields=fields,
    shared=PAINTING,
    needs_source=True,
)
