"""What a snapshot file says of itself, read without torch."""

from __future__ import annotations

import json


def step_of(content: bytes) -> int:
    """The training step of a snapshot.

    A safetensors file begins with the length of its header in eight bytes, little-endian, and the header as JSON; the
    engine writes its counters there (`gpu/engine/snapshots.py`). Raises ValueError or KeyError for anything else.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return int(json.loads(header["__metadata__"]["state"])["step"])
