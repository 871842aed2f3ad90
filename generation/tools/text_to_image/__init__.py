"""Pictures from words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy

from accounts.models import User
from billing.plans import PRICES
from generation.tools import Material, Tool, Wish
from generation.tools.shared import base_here, offered_size, painted
from generation.tools.specs import picture
from gpu.engine.contract import TextToImageSpec

if TYPE_CHECKING:
    from generation.models import Output

NAME = "text_to_image"


def read(owner: User, data: Mapping[str, Any]) -> Wish:
    base = base_here()
    return painted(owner, data, size=offered_size(data, base, default=base.sizes[0]))


def build_spec(output: Output, material: Material) -> TextToImageSpec:
    return TextToImageSpec(**picture(output, material))


TOOL = Tool(
    name=NAME,
    title=gettext_lazy("Picture"),
    say=gettext_lazy("From a prompt, in one style or several."),
    icon="sparkles",
    price=PRICES["picture"],
    read=read,
    build_spec=build_spec,
)
