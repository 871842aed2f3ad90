"""The form of the create page: what it offers, and what it is filled with."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import gcd
from typing import Any

from django.conf import settings
from django.http import QueryDict

from accounts.models import User
from billing.plans import PRICES
from config.kit import media
from gallery.models import Artwork
from generation.models import Request
from generation.queries import spendable, usable_styles
from generation.recipes import recipe_of_artwork, recipe_of_request
from generation.tools.reading import number
from generation.tools.text_to_image.form import MAX_COUNT, MAX_GUIDANCE, Bounds, bounds
from styles.models import Style
from styles.queries import cover

COUNTS = (1, 2, 4, MAX_COUNT)
LARGEST_TERM = 16  # beyond it a ratio says less than the pixels


@dataclass(frozen=True)
class Format:
    """A size on offer. `shape_w` and `shape_h` draw its little box."""

    value: str
    label: str
    shape_w: str
    shape_h: str


@dataclass(frozen=True)
class StyleRow:
    """A style in the mix."""

    style: Style
    version: int
    pinned: str  # the version by number, where one was asked for; else the active one is taken
    weight: float
    cover: str


def dock(user: User, values: Mapping[str, Any]) -> dict[str, Any]:
    """The form's context. `values` is a recipe in the words of `create_request`; what is missing is the base's own."""
    offer = bounds(user)
    first = offer.base.sizes[0]
    size = (values.get("width") or first[0], values.get("height") or first[1])
    count = round(number(values.get("count"), COUNTS[2]))
    mine = list(usable_styles(user, settings.BASE_MODEL))
    mix = _mix(user, mine, values)
    return {
        "base": offer.base,
        "formats": formats(offer),
        "format": f"{size[0]}x{size[1]}",
        "counts": sorted({*COUNTS, count} & set(range(1, MAX_COUNT + 1))),
        "count": count,
        "steps": number(values.get("steps"), offer.steps),
        "max_steps": offer.max_steps,
        "guidance": number(values.get("guidance"), offer.base.guidance),
        "max_guidance": MAX_GUIDANCE,
        "seed": "" if values.get("seed") is None else values["seed"],
        "prompt": values.get("prompt", ""),
        "negative_prompt": values.get("negative_prompt", ""),
        "mix": mix,
        "usable": mine,
        "unit_price": PRICES["picture"],
        "available": spendable(user),
    }


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


def asked(user: User, query: QueryDict) -> dict[str, Any]:
    """What an address asks the form to be filled with: an earlier request, a picture, or a style."""
    reuse, source, styles = (
        _ids({query.get("reuse", ""): None}),
        _ids({query.get("from", ""): None}),
        query.getlist("style"),
    )
    if reuse and (request := Request.objects.owned_by(user).whole().filter(public_id=reuse[0]).first()):
        return recipe_of_request(request)
    if source and (artwork := Artwork.objects.owned_by(user).filter(public_id=source[0]).first()):
        recipe = recipe_of_artwork(artwork)
        return recipe if query.get("vary") != "1" else {**recipe, "seed": None, "count": COUNTS[2]}
    return {"styles": [{"id": style} for style in styles]} if styles else {}


def posted(form: QueryDict) -> dict[str, Any]:
    """The form's fields in the words of `create_request`. The rows of the mix come as equally long lists."""
    width, _, height = form.get("format", "").partition("x")
    ids, weights, versions = form.getlist("style"), form.getlist("weight"), form.getlist("version")
    rows = range(len(ids))
    fields = ("prompt", "negative_prompt", "steps", "guidance", "seed", "count")
    return {
        **{field: form.get(field, "") for field in fields},
        "width": width,
        "height": height,
        "styles": [
            {
                "id": ids[row],
                "weight": weights[row] if row < len(weights) else "",
                "version": versions[row] if row < len(versions) else "",
            }
            for row in rows
        ],
    }
