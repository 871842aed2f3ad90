"""The studio's tools: each knows what it reads from a form, what one output costs, and what the engine is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.translation import gettext as _

from accounts.models import User
from config.kit.errors import Refusal
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
    """What was asked for, read and within bounds. `params` holds the base and the tool's own settings."""

    prompt: str
    full_prompt: str
    negative_prompt: str
    seed: int
    count: int
    params: dict[str, Any]
    styles: list[StyleChoice]


@dataclass(frozen=True)
class Tool:
    name: str
    price: int  # credits for one output
    # Raises a Refusal with a sentence for what is missing or out of bounds.
    read: Callable[[User, Mapping[str, Any]], Wish]
    # The adapters' files lie at the given paths, in the order of the request's styles.
    build_spec: Callable[[Output, list[Path], Path], contract.Spec]


_tools: dict[str, Tool] = {}


def register(tool: Tool) -> None:
    _tools[tool.name] = tool


def get(name: str) -> Tool:
    if name not in _tools:
        say = _("There is no tool of that name. There is: %(names)s.") % {"names": ", ".join(sorted(_tools))}
        raise Refusal(say, code="unknown_tool", field="tool")
    return _tools[name]
