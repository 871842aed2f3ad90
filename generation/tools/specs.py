"""What the engine is told alike by every tool that paints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from generation.models import Output
    from generation.tools import Material


def picture(output: Output, material: Material) -> dict[str, Any]:
    """The fields of `contract.PictureSpec`."""
    request = output.request
    return {
        "base": request.params["base"],
        "out_dir": str(material.out_dir),
        "prompt": request.full_prompt,
        "negative_prompt": request.negative_prompt,
        "width": request.params["width"],
        "height": request.params["height"],
        "steps": request.params["steps"],
        "guidance": request.params["guidance"],
        "seed": output.seed,
        "tier": request.params.get("tier", "fine"),
        "styles": material.styles,
    }
