"""The recipe inside a film: laid into the boxes of an MP4 beside its frames, which stay as they are, bit for bit.

The recipe stands as the comment in iTunes' metadata list, which players and tools of media show; XMP, with the marking
of a generated film, in the box that Adobe's specification names (part 3, section 1.1.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gallery.recipe import GENERATOR, parameters, xmp

_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_OFFSETS = {b"stco": 4, b"co64": 8}  # tables of where frames lie in the file, with the bytes of an entry
_WITHIN = (b"trak", b"mdia", b"minf", b"stbl")  # the way to them
_TEXT = 1  # the kind of a value in a metadata list: UTF-8


def embedded(mp4: bytes, recipe: Mapping[str, Any]) -> bytes:
    """The film with its recipe and the marking. Raises ValueError for what is no MP4 with its index in front."""
    boxes = list(_boxes(mp4))
    names = [name for name, _ in boxes]
    if names[:1] != [b"ftyp"] or b"moov" not in names or b"mdat" not in names[names.index(b"moov") :]:
        raise ValueError("this is not an MP4 that begins with its index")
    old = boxes[names.index(b"moov")][1]
    kept = b"".join(_box(name, content) for name, content in _boxes(old) if name != b"udta")
    index = kept + _metadata(parameters(recipe))
    index = _shifted(index, len(index) - len(old))
    whole = [_box(name, index if name == b"moov" else content) for name, content in boxes]
    return b"".join(whole) + _box(b"uuid", _XMP_UUID + xmp())


def _metadata(comment: str) -> bytes:
    """User data as players read it: handler, then a list of the comment and the tool."""
    handler = bytes(8) + b"mdirappl" + bytes(9)
    items = b"".join(
        _box(name, _box(b"data", _TEXT.to_bytes(4, "big") + bytes(4) + text.encode()))
        for name, text in ((b"\xa9cmt", comment), (b"\xa9too", GENERATOR))
    )
    return _box(b"udta", _box(b"meta", bytes(4) + _box(b"hdlr", handler) + _box(b"ilst", items)))


def _shifted(content: bytes, by: int) -> bytes:
    """The boxes with every offset into the file moved on: what lies behind the index has moved with it."""
    parts = []
    for name, inner in _boxes(content):
        if name in _WITHIN:
            inner = _shifted(inner, by)
        elif size := _OFFSETS.get(name):
            entries = (inner[at : at + size] for at in range(8, len(inner), size))
            inner = inner[:8] + b"".join((int.from_bytes(one, "big") + by).to_bytes(size, "big") for one in entries)
        parts.append(_box(name, inner))
    return b"".join(parts)


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of the boxes that follow one another."""
    at = 0
    while at < len(content):
        size, head = int.from_bytes(content[at : at + 4], "big"), 8
        if size == 1:  # sixteen bytes of head, for boxes beyond 4 GB
            size, head = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        if size < head or at + size > len(content):
            raise ValueError("a box of this MP4 is cut off")
        yield content[at + 4 : at + 8], content[at + head : at + size]
        at += size


def _box(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content
