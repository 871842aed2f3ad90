"""A picture to work on: from an uploaded file, opened in the sandbox, to plain pixels on this side."""

from __future__ import annotations

from typing import Annotated

import structlog
from django.core.files import File
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.kit.errors import Refusal
from styles.intake.inspect import run_sandbox, slots, workspace
from styles.intake.sandbox import PIXELS, RESULT
from styles.intake.sentences import MAX_BYTES, refusal

log = structlog.get_logger(__name__)

LONGEST = 2048  # `decode.COPY_SIDE`; that module sets Pillow up for the sandbox alone and is not for this side
_Side = Annotated[int, Field(ge=1, le=LONGEST)]


class _Answer(BaseModel):
    """What the sandbox says. It has read a hostile file, so nothing it says is taken on trust."""

    model_config = ConfigDict(extra="forbid")

    pixels: tuple[_Side, _Side] | None = None
    refused: str = Field(default="", pattern=r"^[a-z_]{0,30}$")
    facts: dict[str, int] = Field(default_factory=dict, max_length=3)


def read(file: File[bytes], *, field: str) -> Image.Image:
    """The picture: upright, sRGB, opaque (on white), at most 2048 pixels long. Raises a Refusal that names `field`."""
    if (file.size or 0) > MAX_BYTES:
        raise Refusal(refusal("too_large", {}), code="too_large", field=field)
    with workspace() as work:
        with (work / "in" / "0").open("wb") as copy:
            for chunk in file.chunks():
                copy.write(chunk)
        with slots:
            said = run_sandbox(work, [0], "--pixels")
        out = work / "out" / "0"
        try:
            answer = _Answer.model_validate_json((out / RESULT).read_bytes())
        except (FileNotFoundError, ValidationError):
            log.warning("intake_process_ended", said=said)
            raise Refusal(refusal("unreadable", {}), code="unreadable", field=field) from None
        if answer.pixels is None:
            raise Refusal(refusal(answer.refused, answer.facts), code=answer.refused or "unreadable", field=field)
        found = out / PIXELS
        content = found.read_bytes() if found.is_file() and not found.is_symlink() else b""
    width, height = answer.pixels
    if len(content) != 3 * width * height:
        raise Refusal(refusal("unreadable", {}), code="unreadable", field=field)
    return Image.frombytes("RGB", (width, height), content)
