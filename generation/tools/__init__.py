"""The studio's tools: what each reads from a form, what one output costs, and what the engine is told.

A tool is a folder of this package with a `TOOL`, registered in `generation/apps.py`. Its name is also the kind of its
jobs, the kind of its spec in `gpu.engine.contract`, and the last part of its address, `/create/<name>/`. From that it
has a page (the dock with the shared fields it asks for and its own, the source above the wall), a place in the public
API and, if it starts from a picture, a link on every picture's page. Nothing else has to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from config.kit.errors import Refusal
from generation.sources import Source
from gpu.engine import contract
from styles.models import Adapter, Style

if TYPE_CHECKING:
    from generation.models import Output


class StyleChoice(NamedTuple):
    """A style in the mix. The version is fixed here: activating another one later changes nothing."""

    style: Style
    adapter: Adapter
    weight: float


@dataclass(frozen=True)
class Wish:
    """What was asked for, read and within bounds.

    `params` holds `base` (what the engine loads, "" for nothing), `width` and `height` of the result, `count`, for a
    tool that paints `steps`, `guidance` and `tier`, and under `options` the tool's own settings in the words of its
    form, so that the same options fill it again. A tool that starts from a picture also gives the size at which the
    engine gets the source, if it is not the source's own: `params["source_size"] = [width, height]`, filled by
    cropping as little as possible. `mask` is a grey PNG of exactly that size.
    """

    prompt: str
    full_prompt: str
    negative_prompt: str
    seed: int
    count: int
    params: dict[str, Any]
    styles: list[StyleChoice]
    source: Source | None = None
    mask: bytes | None = None


@dataclass(frozen=True)
class Material:
    """What lies ready on the worker's disk for one attempt. Paths are "" where there is nothing of the kind."""

    out_dir: Path
    styles: list[contract.StyleWeight]
    source: str = ""
    mask: str = ""


# The fields of the dock that tools share; each shows those it names.
PAINTING = frozenset({"prompt", "styles", "format", "tier", "count", "negative", "steps", "guidance", "seed"})

ASKS = gettext_lazy("What should it draw?")


def _no_fields(source: Source | None, values: Mapping[str, Any]) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Tool:
    """One tool of the studio."""

    name: str
    title: str | Promise
    say: str | Promise  # in a sentence, what it does
    price: int  # credits for one output; the least there is, where it depends on what is chosen
    # From the person and the fields of the form or of the API; raises a Refusal with a sentence and the field's name.
    # Shared fields are read by `tools.shared`, a source by `generation.sources`, a mask by `generation.masks`.
    read: Callable[[User, Mapping[str, Any]], Wish]
    # Called by the worker. What is wished stands in `output.request`, the seed in `output.seed`.
    build_spec: Callable[[Output, Material], contract.Spec]
    icon: str = "sparkles"
    # The tool's own fields, included into the form; its context is the dock's and what `fields` returns. Names of its
    # fields that begin with `option_` reach `read` under `data["options"]`, without that beginning.
    template: str = ""
    asks: str | Promise = ASKS  # the prompt's placeholder
    needs_prompt: bool = True
    makes: Literal["image", "video"] = "image"
    # From the source and the values to begin with (`data` of an earlier request, or {}).
    fields: Callable[[Source | None, Mapping[str, Any]], dict[str, Any]] = _no_fields
    # Shown above the wall instead of the source alone: a canvas to paint on, a frame to drag.
    stage: str = ""
    shared: frozenset[str] = PAINTING
    needs_source: bool = False
    needs_mask: bool = False
    count: int = 4  # outputs, where nothing is said
    # Where the price depends on what is chosen: from the wish's params. In the form, a radio with `data-unit-price`
    # tells the button the price of its choice.
    price_of: Callable[[Mapping[str, Any]], int] | None = None
    # Whether something is drawn, and styles mean anything, with these params; nothing is where styles are not shared.
    draws: Callable[[Mapping[str, Any]], bool] = lambda params: True
    # Whether this installation can do it at all, with its base and its models.
    offered: Callable[[], bool] = lambda: True

    def unit_price(self, params: Mapping[str, Any]) -> int:
        return self.price_of(params) if self.price_of else self.price


_tools: dict[str, Tool] = {}


def register(tool: Tool) -> None:
    _tools[tool.name] = tool


def every() -> list[Tool]:
    """Every tool there is, in the order in which they are shown."""
    return list(_tools.values())


def offered() -> list[Tool]:
    """The tools that this installation can do."""
    return [tool for tool in _tools.values() if tool.offered()]


def draws(name: str, params: Mapping[str, Any]) -> bool:
    """Whether anything is drawn with what was asked of the tool."""
    tool = _tools.get(name)
    return tool is None or tool.draws(params)


def has_styles(name: str, params: Mapping[str, Any]) -> bool:
    """Whether what was asked of the tool is drawn in a style, or could have been."""
    tool = _tools.get(name)
    return tool is not None and "styles" in tool.shared and tool.draws(params)


def title_of(name: str) -> str:
    """What people call the tool, whether or not it is offered."""
    tool = _tools.get(name)
    return str(tool.title) if tool else name


def get(name: str) -> Tool:
    """The tool of that name. Raises a Refusal that names those there are."""
    tool = _tools.get(name)
    if tool is None or not tool.offered():
        say = _("There is no tool of that name. There is: %(names)s.")
        names = ", ".join(sorted(one.name for one in offered()))
        raise Refusal(say % {"names": names}, code="unknown_tool", field="tool")
    return tool
