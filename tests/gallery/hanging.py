"""Pictures for a gallery, published as a job would."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from PIL import Image

from accounts.models import User
from gallery.actions import publish
from gallery.models import Artwork
from styles.models import Style
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
    folder: Path, owner: User | None = None, *, style: Style | None = None, colour: str = "teal", **recipe: Any
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
        styles=[(style, None, 1.0)] if style else [],
    )
