"""Sending pictures through the intake, and looking at what came out."""

from __future__ import annotations

import numpy as np
from PIL import Image

from config.kit import media
from styles import actions
from styles.actions import Accepted, Refused
from styles.models import Reference, Style
from tests.styles.pictures import upload


def take(style: Style, content: bytes, name: str = "fox.jpg") -> Accepted | Refused:
    [verdict] = actions.add_references(style=style, files=[upload(content, name)])
    return verdict


def accepted(verdict: Accepted | Refused) -> Reference:
    assert isinstance(verdict, Accepted), verdict
    return verdict.reference


def copy_of(reference: Reference) -> Image.Image:
    with media.open_file(reference.key) as file:
        image = Image.open(file)
        image.load()
    return image


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of the channels, 0..255."""
    arrays = [np.asarray(image.convert("RGB"), dtype=float) for image in (one, other)]
    return float(np.abs(arrays[0] - arrays[1]).mean())
