"""Pictures and films for a gallery, published as a job would."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from accounts.models import User
from gallery.actions import publish
from gallery.models import Artwork
from gpu.engine.mp4 import Mp4
from styles.models import Adapter, Style
from tests.builders import make_user


def make_recipe(**parts: Any) -> dict[str, Any]:
    return {
        "tool": "text_to_image",
        "model": "starter",
        "prompt": "a fox in the snow",
        "negative_prompt": "",
        "width": 96,
        "height": 128,
        "steps": 20,
        "guidance": 4.0,
        "seed": 7,
        "styles": [],
        "seconds": 1.5,
        "paid": 1,
        **parts,
    }


def make_artwork(
    folder: Path,
    owner: User | None = None,
    *,
    style: Style | None = None,
    adapter: Adapter | None = None,
    colour: str = "teal",
    parent: Artwork | None = None,
    likeness: dict[str, Any] | None = None,
    **recipe: Any,
) -> Artwork:
    job = uuid.uuid4()
    file = folder / f"{job}.png"
    whole = make_recipe(**recipe)
    Image.new("RGB", (whole["width"], whole["height"]), colour).save(file)
    return publish(
        owner=owner or make_user(),
        job=job,
        file=file,
        prompt=whole["prompt"],
        seed=whole["seed"],
        recipe=whole,
        styles=[(style, adapter, 1.0)] if style else [],
        parent=parent,
        likeness=likeness,
    )


def write_film(folder: Path, *, width: int = 96, height: int = 128) -> tuple[Path, Path]:
    """Four seconds of a bar that wanders, and its poster."""
    path, poster = folder / f"{uuid.uuid4()}.mp4", folder / f"{uuid.uuid4()}.png"
    with Mp4(path, width=width, height=height, fps=6) as film:
        for number in range(24):
            frame = np.full((height, width, 3), 40, dtype=np.uint8)
            frame[:, number * 3 : number * 3 + 12] = (220, 120, 40)
            if not number:
                Image.fromarray(frame).save(poster)
            film.add(frame)
    return path, poster


def make_film(folder: Path, owner: User | None = None, *, parent: Artwork | None = None, **recipe: Any) -> Artwork:
    file, poster = write_film(folder)
    say = "The camera pushes in over the still picture; nothing in it moves."
    whole = make_recipe(**{"tool": "camera_move", "model": "", "say": say, **recipe})
    return publish(
        owner=owner or make_user(),
        job=uuid.uuid4(),
        file=file,
        prompt=whole["prompt"],
        seed=whole["seed"],
        recipe=whole,
        styles=[],
        parent=parent,
        kind="video",
        poster=poster,
        seconds=4.0,
    )
