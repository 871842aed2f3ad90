"""What the engine is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gpu.engine.contract import StyleWeight, TextToImageSpec

if TYPE_CHECKING:
    from generation.models import Output


def build_spec(output: Output, adapters: list[Path], out_dir: Path) -> TextToImageSpec:
    request = output.request
    return TextToImageSpec(
        base=request.params["base"],
        out_dir=str(out_dir),
        prompt=request.full_prompt,
        negative_prompt=request.negative_prompt,
        width=request.params["width"],
        height=request.params["height"],
        steps=request.params["steps"],
        guidance=request.params["guidance"],
        seed=output.seed,
        styles=[
            StyleWeight(path=str(path), sha256=link.adapter.sha256, weight=link.weight)
            for path, link in zip(adapters, request.styles.all(), strict=True)
        ],
    )
