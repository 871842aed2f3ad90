"""The form of a tool's page: what it offers, and what it is filled with."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import gcd
from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

from accounts.models import User
from billing import allowance
from config.kit import media
from gallery.models import Artwork
from generation import masks, sources, tools
from generation.addresses import VARIED, address
from generation.models import Output
from generation.queries import spendable, usable_styles
from generation.recipes import recipe_of_artwork, recipe_of_request
from generation.sources import Source
from generation.tools import Tool
from generation.tools.reading import number
from generation.tools.shared import MAX_COUNT, MAX_GUIDANCE, Bounds, bounds
from gpu.engine.catalogue import nearest_bucket
from styles.models import Style
from styles.queries import cover

COUNTS = (1, 2, 4, MAX_COUNT)
LARGEST_TERM = 16  # beyond it a ratio says less than the pixels
OPTION = "option_"  # begins the names of a tool's own fields


@dataclass(frozen=True)
class Format:
    """A size on offer. `shape_w` and `shape_h` draw its little box."""

    value: str
    label: str
    shape_w: str
    shape_h: str


@dataclass(frozen=True)
class Pace:
    """A tier on offer, and in a sentence what it gives and takes."""

    value: str
    label: str
    say: str


@dataclass(frozen=True)
class StyleRow:
    """A style in the mix."""

    style: Style
    version: int
    pinned: str  # the version by number, where one was asked for; else the active one is taken
    weight: float
    cover: str


def dock(user: User, tool: Tool, source: Source | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """The form's context. `values` is a recipe in the words of `create_request`; what is missing is the base's own."""
    offer = bounds(user)
    count = round(number(values.get("count"), tool.count))
    mine = list(usable_styles(user, settings.BASE_MODEL)) if "styles" in tool.shared else []
    mix = _mix(user, mine, values)
    paced = {} if values.get("tier") == "fast" else values  # whose few steps are right for nothing else
    return {
        "tool": tool,
        "source": source,
        "tools": tools_with(source.id if source else ""),
        "here": address(tool.name),
        "base": offer.base,
        "formats": formats(offer),
        "format": _format_of(offer, source, values),
        "counts": sorted({*COUNTS, count} & set(range(1, MAX_COUNT + 1))),
        "count": count,
        "paces": _paces(offer),
        "pace": values.get("tier") or "fine",
        "steps": number(paced.get("steps"), offer.steps),
        "max_steps": offer.max_steps,
        "guidance": number(paced.get("guidance"), offer.base.guidance),
        "max_guidance": MAX_GUIDANCE,
        "seed": "" if values.get("seed") is None else values["seed"],
        "prompt": values.get("prompt", ""),
        "negative_prompt": values.get("negative_prompt", ""),
        "mix": mix,
        "usable": mine,
        "unit_price": tool.unit_price(values),
        "available": spendable(user),
        "limit": allowance.told_before(lambda: allowance.allow_film(user)) if tool.makes == "video" else None,
        "steps_limit": allowance.told_before(lambda: allowance.allow_steps(user, offer.base.max_steps)),
        **tool.fields(source, values),
    }


def tools_with(source: str = "") -> list[tuple[Tool, str]]:
    """The tools on offer and their pages, with the picture that is being worked on."""
    return [(one, address(one.name, source=source if one.needs_source else "")) for one in tools.offered()]


def _format_of(offer: Bounds, source: Source | None, values: Mapping[str, Any]) -> str:
    """The size that is chosen: the one asked for, if the base has it, else the one nearest to the source's shape."""
    asked = f"{values.get('width')}x{values.get('height')}"
    if asked in {f"{width}x{height}" for width, height in offer.base.sizes}:
        return asked
    width, height = nearest_bucket(*source.size, offer.base.sizes) if source else offer.base.sizes[0]
    return f"{width}x{height}"


def _paces(offer: Bounds) -> list[Pace]:
    """The tiers that the base offers; none where there is no choice."""
    words = {
        "fine": (_("Fine"), _("Every step in full: as good as this base can.")),
        "fast": (
            _("Fast"),
            _("%(n)d large steps, learned for haste: steps and guidance set themselves, the fine strokes are fewer.")
            % {"n": offer.base.fast_steps},
        ),
        "draft": (
            _("Draft"),
            _("Fewer steps, parts of them used twice: quicker and softer, for trying words out."),
        ),
    }
    offered = [Pace(tier, *words[tier]) for tier in words if tier in offer.base.tiers]
    return offered if len(offered) > 1 else []


def formats(offer: Bounds) -> list[Format]:
    return [_format(width, height) for width, height in offer.base.sizes]


def _format(width: int, height: int) -> Format:
    part = gcd(width, height)
    across, down = width // part, height // part
    label = f"{across}:{down}" if max(across, down) <= LARGEST_TERM else f"{width} × {height}"
    longer = max(width, height)
    return Format(f"{width}x{height}", label, f"{1.2 * width / longer:.2f}", f"{1.2 * height / longer:.2f}")


def row_of(style: Style, *, weight: float = 1.0, pinned: str = "") -> StyleRow:
    pictures = cover(style)
    active = style.active_adapter
    version = int(pinned) if pinned else (active.number if active else 0)
    thumb = media.signed_url(pictures[0].thumb_key) if pictures else ""
    return StyleRow(style=style, version=version, pinned=pinned, weight=weight, cover=thumb)


def _mix(user: User, mine: list[Style], values: Mapping[str, Any]) -> list[StyleRow]:
    """The styles asked for, else the latest one; those that are gone are left out."""
    if "styles" not in values:
        return [row_of(mine[0])] if mine else []
    wanted = {str(entry.get("id")): entry for entry in values["styles"]}
    found = Style.objects.owned_by(user).select_related("active_adapter").filter(public_id__in=_ids(wanted))
    by_id = {str(style.public_id): style for style in found}
    rows = []
    for public_id, entry in wanted.items():
        style = by_id.get(public_id)
        if style and style.active_adapter:
            version = str(entry.get("version") or "")
            pinned = version if version.isdigit() and int(version) != style.active_adapter.number else ""
            rows.append(row_of(style, weight=number(entry.get("weight"), 1.0), pinned=pinned))
    return rows


def _ids(texts: Iterable[str]) -> list[uuid.UUID]:
    found = []
    for text in texts:
        try:
            found.append(uuid.UUID(text))
        except ValueError:
            continue
    return found


def asked(user: User, tool: Tool, query: QueryDict) -> dict[str, Any]:
    """What an address asks the form to be filled with: an earlier request, a picture, or styles."""
    reuse, start, source = (next(iter(_ids([query.get(name, "")])), None) for name in ("reuse", "from", "source"))
    if reuse and (request := sources.request_named(user, reuse)):
        return {**recipe_of_request(request), "mask_uri": masks.data_uri(request)}
    if start and (artwork := Artwork.objects.owned_by(user).filter(public_id=start).first()):
        recipe = _recipe(artwork, tool)
        return recipe if query.get("vary") != "1" else {**recipe, "seed": None, "count": VARIED}
    if source and tool.needs_source:
        return {**_hand_of(user, source), "source": str(source)}
    styles = query.getlist("style")
    return {"styles": [{"id": style} for style in styles]} if styles else {}


def _recipe(artwork: Artwork, tool: Tool) -> dict[str, Any]:
    """This very picture's recipe; what it began with comes along on the page of the tool that made it."""
    if not tool.needs_source:
        return recipe_of_artwork(artwork)
    made = Output.objects.filter(artwork=artwork, request__tool=tool.name).select_related("request__source").first()
    if made is None:
        return {}
    recipe = {**recipe_of_request(made.request), "seed": made.seed, "count": 1}
    return {**recipe, "mask_uri": masks.data_uri(made.request)}


def _hand_of(user: User, source: uuid.UUID) -> dict[str, Any]:
    """Of a picture's recipe what makes another one look as if it belonged to it."""
    artwork = Artwork.objects.owned_by(user).filter(public_id=source).first()
    if artwork is None:
        return {}
    recipe = recipe_of_artwork(artwork)
    kept = ["prompt", "negative_prompt", "styles"]
    if recipe.get("tier") != "fast":
        kept += ["steps", "guidance"]
    return {name: recipe[name] for name in kept if name in recipe}


def posted(form: QueryDict, files: MultiValueDict[str, Any]) -> dict[str, Any]:
    """The form's fields in the words of `create_request`. The rows of the mix come as equally long lists."""
    width, _times, height = form.get("format", "").partition("x")
    ids, weights, versions = form.getlist("style"), form.getlist("weight"), form.getlist("version")
    rows = range(len(ids))
    fields = ("prompt", "negative_prompt", "tier", "steps", "guidance", "seed", "count", "source", "mask")
    return {
        **{field: form.get(field, "") for field in fields},
        **{field: files[field] for field in ("source", "mask") if field in files},
        "width": width,
        "height": height,
        "options": {name.removeprefix(OPTION): form[name] for name in form if name.startswith(OPTION)},
        "styles": [
            {
                "id": ids[row],
                "weight": weights[row] if row < len(weights) else "",
                "version": versions[row] if row < len(versions) else "",
            }
            for row in rows
        ],
    }
