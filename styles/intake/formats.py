"""What a file is, by its first bytes. Names and declared types are only what someone says."""

from __future__ import annotations

import re

HEAD_BYTES = 4096


class Refused(Exception):
    """This file is not taken. `code` names the reason; the facts go into its sentence."""

    def __init__(self, code: str, **facts: int) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"8BPS", "psd"),
    (b"%!PS", "eps"),
    (b"\xc5\xd0\xd3\xc6", "eps"),
    (b"%PDF", "pdf"),
    (b"PK\x03\x04", "archive"),
    (b"PK\x05\x06", "archive"),
    (b"Rar!", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),
    (b"BM", "bmp"),
    (b"\x00\x00\x01\x00", "icon"),
    (b"\xff\x0a", "jxl"),
    (b"\x00\x00\x00\x0cJXL ", "jxl"),
    (b"\x00\x00\x00\x0cjP  ", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\x1aE\xdf\xa3", "video"),
)
_AVIF = (b"avif",)
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"mif1")
_MOVING = (b"avis", b"hevc", b"hevx", b"msf1")


def recognise(head: bytes) -> str:
    """Pillow's name of the format for a file that starts with `head`. Raises `Refused` for all that is not taken."""
    if not head:
        raise Refused("empty")
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] == b"RIFF":
        if head[8:12] == b"WEBP":
            return "WEBP"
        raise Refused("video")
    if head[4:8] == b"ftyp":
        return _isobmff(head)
    for signature, code in _SIGNATURES:
        if head.startswith(signature):
            raise Refused(code)
    raise Refused(_text_kind(head))


def _isobmff(head: bytes) -> str:
    """HEIC and AVIF share a container with films and camera raw files; its brands tell them apart."""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, length - 3, 4))]
    if brands[0] in _MOVING:
        raise Refused("animated")
    if any(brand in _AVIF for brand in brands):
        return "AVIF"
    if any(brand in _HEIC for brand in brands):
        return "HEIF"
    raise Refused("raw" if brands[0] == b"crx " else "video")


def _text_kind(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if re.match(rb"<\?xml|<svg|<!--|<!doctype svg", text) and b"<svg" in text:
        return "svg"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return "html"
    return "not_a_picture"
