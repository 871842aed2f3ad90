"""Sources, masks and specs of the tools' tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from gpu.engine.contract import ImageToImageSpec, InpaintSpec, OutpaintSpec, PictureSpec, UpscaleSpec
from gpu.engine.report import Interrupted
from gpu.engine.studio import Studio
from tests.engine.makers import Heard, picture_spec

S = TypeVar("S", bound=PictureSpec)


def source(path: Path, width: int = 64, height: int = 64, seed: int = 0) -> Path:
    """A smooth picture with some grain: no two pixels need be alike."""
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = np.stack([rows * 2 + columns, 255 - rows * 2, columns * 2 + 40], axis=-1)
    grain = np.random.default_rng(seed).integers(0, 30, (height, width, 3))
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(path)
    return path


def mask(path: Path, box: tuple[int, int, int, int], width: int = 64, height: int = 64, value: int = 255) -> Path:
    """White (or `value`) in a box of left, top, right, bottom; black elsewhere."""
    marked = np.zeros((height, width), dtype=np.uint8)
    left, top, right, bottom = box
    marked[top:bottom, left:right] = value
    Image.fromarray(marked).save(path)
    return path


def _of(kind: type[S], base: Path, out: Path, facts: dict[str, Any]) -> S:
    common = picture_spec(base, out).model_dump(exclude={"kind"})
    return kind(**{**common, **facts})


def image_to_image(base: Path, out: Path, **facts: Any) -> ImageToImageSpec:
    return _of(ImageToImageSpec, base, out, facts)


def inpaint(base: Path, out: Path, **facts: Any) -> InpaintSpec:
    return _of(InpaintSpec, base, out, facts)


def outpaint(base: Path, out: Path, **facts: Any) -> OutpaintSpec:
    return _of(OutpaintSpec, base, out, facts)


def upscale(base: Path, out: Path, **facts: Any) -> UpscaleSpec:
    return _of(UpscaleSpec, base, out, facts)


def run(spec: Any, studio: Studio, heard: Heard | None = None) -> Heard:
    """The whole job, as the engine runs it: to its end, or to the word that `heard` says."""
    heard = heard or Heard()
    try:
        studio.run(spec, heard.report)
    except Interrupted as interruption:
        heard.report.done(interruption.outcome)
    else:
        heard.report.done("finished")
    return heard


def made(spec: PictureSpec) -> np.ndarray:
    """The finished picture, (h, w, 3)."""
    with Image.open(Path(spec.out_dir) / "picture.png") as picture:
        assert picture.mode == "RGB"
        return np.asarray(picture)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)
