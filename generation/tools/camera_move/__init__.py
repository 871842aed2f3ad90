"""A film of a still picture: the camera moves over it, and nothing in it does. Needs no model."""

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
from generation.tools.films import SECONDS, film_of, read_seconds, shown_seconds
from generation.tools.reading import given
from generation.tools.shared import base_here, options_of
from gpu.engine.catalogue import Size
from gpu.engine.contract import CameraMoveSpec

if TYPE_CHECKING:
    from generation.models import Output

NAME = "camera_move"
LEAST, LONGEST = 512, 1280  # pixels of a film's longer side: a smaller picture is enlarged, a larger one reduced
MOVES = {
    "push_in": ("zoom-in", gettext_lazy("Push in")),
    "pull_out": ("zoom-out", gettext_lazy("Pull out")),
    "pan_left": ("arrow-left", gettext_lazy("Pan left")),
    "pan_right": ("arrow-right", gettext_lazy("Pan right")),
    "tilt_up": ("chevron-up", gettext_lazy("Tilt up")),
    "tilt_down": ("chevron-down", gettext_lazy("Tilt down")),
}


def read(owner: User, data: Mapping[str, Any]) -> Wish:
    """`move` is one of `MOVES`, `seconds` 4 or 6. The film has the picture's shape."""
    source, options = sources.read(owner, data), options_of(data)
    chosen = {"move": _move(given(options, "move")), "seconds": read_seconds(options)}
    return film_of(source, size=size_of(source.size), seed=0, base="", options=chosen)


def _move(value: Any) -> str:
    if value is None:
        return "push_in"
    if str(value) not in MOVES:
        say = _("The camera can do these moves: %(moves)s.") % {"moves": ", ".join(MOVES)}
        raise Refusal(say, code="bad_move", field="move")
    return str(value)


def size_of(picture: Size) -> Size:
    """The film's size: the picture's shape, sides even."""
    longer = max(picture)
    scale = min(max(1.0, LEAST / longer), LONGEST / longer)

    def side(pixels: int) -> int:
        return max(64, round(pixels * scale / 2) * 2)

    return side(picture[0]), side(picture[1])


def fields(source: Source | None, values: Mapping[str, Any]) -> dict[str, Any]:
    options = options_of(values)
    return {
        "moves": [(value, icon, label) for value, (icon, label) in MOVES.items()],
        "move": options.get("move") or "push_in",
        "lengths": [(seconds, PRICES[NAME]) for seconds in SECONDS],
        "seconds": shown_seconds(options),
        "no_video_model": not base_here().video,
    }


def build_spec(output: Output, material: Material) -> CameraMoveSpec:
    params = output.request.params
    return CameraMoveSpec(
        out_dir=str(material.out_dir),
        source=material.source,
        width=params["width"],
        height=params["height"],
        move=params["options"]["move"],
        seconds=params["options"]["seconds"],
    )


TOOL = Tool(
    name=NAME,
    title=gettext_lazy("Camera move"),
    say=gettext_lazy("A film of a still picture: the camera moves over it, nothing in it does."),
    icon="video",
    price=PRICES[NAME],
    read=read,
    build_spec=build_spec,
    template="generation/tools/camera_move.html",
    stage="generation/tools/camera_move_stage.html",
    fields=fields,
    makes="video",
    shared=frozenset(),
    needs_source=True,
    needs_prompt=False,
    count=1,
)
