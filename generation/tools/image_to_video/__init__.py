"""A film from one picture, in which things move: by the base's video model, on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from billing.plans import PRICES
from generation import sources
from generation.sources import Source
from generation.tools import Material, Tool, Wish
from generation.tools.films import SECONDS, film_of, read_seconds, shown_seconds
from generation.tools.reading import given, number, whole
from generation.tools.shared import base_here, options_of, read_seed
from gpu.engine.catalogue import nearest_bucket
from gpu.engine.contract import ImageToVideoSpec
from gpu.models import Worker

if TYPE_CHECKING:
    from generation.models import Output

NAME = "image_to_video"
SIZES = ((1024, 576), (576, 1024), (896, 640), (640, 896), (768, 768))  # as many pixels as the model was trained on
MOTION, LEAST, MOST = 127, 1, 255  # the model's own measure of motion


def offered() -> bool:
    """Where the base has a video model, and a GPU works: on a processor a film would take a day."""
    if not base_here().video:
        return False
    newest = Worker.objects.filter(draining_at__isnull=True).order_by("-seen_at").first()
    return newest is not None and "cuda" in newest.device.lower()


def read(owner: User, data: Mapping[str, Any]) -> Wish:
    """`seconds` 4 or 6, `motion` 1 to 255. The size is the model's own that is nearest to the picture's shape."""
    source, options = sources.read(owner, data), options_of(data)
    value = given(options, "motion")
    motion = MOTION if value is None else whole(value, field="motion", name=_("Motion"), low=LEAST, high=MOST)
    return film_of(
        source,
        size=nearest_bucket(*source.size, SIZES),
        seed=read_seed(data),
        base=base_here().video,
        options={"seconds": read_seconds(options), "motion": motion},
    )


def price_of(params: Mapping[str, Any]) -> int:
    return PRICES[f"video_{shown_seconds(options_of(params))}"]


def fields(source: Source | None, values: Mapping[str, Any]) -> dict[str, Any]:
    options = options_of(values)
    return {
        "lengths": [(seconds, PRICES[f"video_{seconds}"]) for seconds in SECONDS],
        "seconds": shown_seconds(options),
        "motion": round(number(options.get("motion"), MOTION)),
        "least": LEAST,
        "most": MOST,
    }


def build_spec(output: Output, material: Material) -> ImageToVideoSpec:
    params = output.request.params
    return ImageToVideoSpec(
        model=params["base"],
        out_dir=str(material.out_dir),
        source=material.source,
        width=params["width"],
        height=params["height"],
        seconds=params["options"]["seconds"],
        motion=params["options"]["motion"],
        seed=output.seed,
    )


TOOL = Tool(
    name=NAME,
    title=gettext_lazy("Animate"),
    say=gettext_lazy("A film that begins with this picture, and in which things move."),
    icon="clapperboard",
    price=PRICES["video_4"],
    price_of=price_of,
    read=read,
    build_spec=build_spec,
    template="generation/tools/image_to_video.html",
    fields=fields,
    makes="video",
    shared=frozenset({"seed"}),
    needs_source=True,
    needs_prompt=False,
    count=1,
    offered=offered,
)
