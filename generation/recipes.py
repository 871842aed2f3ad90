"""Recipes: the one that goes with a picture, and the one that fills the form again."""

from __future__ import annotations

from typing import Any

from gallery.models import Artwork
from generation import tools
from generation.models import Output, Request
from gpu.engine import catalogue

PAINTED = ("steps", "guidance", "tier")  # what a tool without a base has not got


def recipe_of_output(output: Output, *, seconds: float, paid: int) -> dict[str, Any]:
    """All that made this picture, as it is kept, shown and laid into the file."""
    request = output.request
    params = request.params
    drawn = tools.draws(request.tool, params)
    recipe: dict[str, Any] = {
        "tool": request.tool,
        "model": _model(params["base"]) if params["base"] and drawn else "",
        "prompt": request.full_prompt,
        "negative_prompt": request.negative_prompt,
        "width": params["width"],
        "height": params["height"],
        **{name: params[name] for name in PAINTED if name in params and drawn},
        "seed": output.seed,
        "styles": [
            {
                "id": str(link.style.public_id),
                "name": link.style.name,
                "version": link.adapter.number,
                "weight": link.weight,
                "trigger_word": link.style.trigger_word,
                "sha256": link.adapter.sha256,
            }
            for link in request.styles.all()
        ],
        "seconds": round(seconds, 1),
        "paid": paid,
    }
    if request.source_key:
        recipe["source"] = str(request.source.public_id) if request.source else ""
    if params.get("options"):
        recipe["options"] = params["options"]
    if say := output.made.get("say"):
        recipe["say"] = say  # how the engine made it, in its own words
    return recipe


def recipe_of_request(request: Request) -> dict[str, Any]:
    """What was asked for, in the words of `create_request`: the source and the mask are those of this request."""
    recipe: dict[str, Any] = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        **{
            name: request.params[name]
            for name in ("width", "height", "count", "options", *PAINTED)
            if name in request.params
        },
        "styles": [
            {"id": str(link.style.public_id), "version": link.adapter.number, "weight": link.weight}
            for link in request.styles.all()
        ],
    }
    if request.source_key:
        recipe["source"] = str(request.source.public_id if request.source else request.public_id)
    if request.mask_key:
        recipe["mask"] = str(request.public_id)
    return recipe


def recipe_of_artwork(artwork: Artwork) -> dict[str, Any]:
    """The recipe of one picture with its own seed, so that it comes out the same."""
    kept = artwork.recipe
    asked = {name: kept[name] for name in ("negative_prompt", "width", "height", *PAINTED) if name in kept}
    return {
        **asked,
        "prompt": artwork.prompt,
        "seed": artwork.seed,
        "count": 1,
        "styles": [{name: style[name] for name in ("id", "version", "weight")} for style in kept.get("styles", [])],
    }


def _model(base: str) -> str:
    """A name for the base that says nothing of this machine's folders."""
    facts = catalogue.describe(base)
    return facts.title if facts.folder and base not in catalogue.CATALOGUE else facts.name
