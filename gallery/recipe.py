"""The recipe inside the file: how a picture was made, readable by the usual tools, and that a model made it.

The `parameters` chunk is laid out as AUTOMATIC1111's web UI writes it (prompt, negative prompt, one line of settings),
which Civitai, ComfyUI loaders and viewers of metadata read. The XMP packet carries IPTC's digital source type.
Chunks are laid into the PNG beside its pixels, which stay as they are, bit for bit.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

from django.utils.text import slugify

GENERATOR = "ArtistCloner"
# https://cv.iptc.org/newscodes/digitalsourcetype/
AI_GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_AFTER_HEADER = len(_SIGNATURE) + 4 + 4 + 13 + 4  # the IHDR chunk: length, name, 13 bytes, checksum
_NEEDS_QUOTES = re.compile(r'[,:\n"]')
_SHORT_HASH = 10  # what the tools call AutoV2: the head of the file's SHA-256


def embedded(png: bytes, recipe: Mapping[str, Any]) -> bytes:
    """The PNG with its recipe and the marking of a generated picture."""
    if not png.startswith(_SIGNATURE) or png[12:16] != b"IHDR":
        raise ValueError("this is not a PNG")
    chunks = _text(b"parameters", parameters(recipe)) + _utf8(b"XML:com.adobe.xmp", xmp())
    return png[:_AFTER_HEADER] + chunks + png[_AFTER_HEADER:]


def parameters(recipe: Mapping[str, Any]) -> str:
    """The recipe as the usual tools write it."""
    styles = recipe.get("styles", [])
    prompt = " ".join([recipe["prompt"], *(f"<lora:{_file_name(style)}:{style['weight']:g}>" for style in styles)])
    settings: dict[str, Any] = {}
    if "steps" in recipe:
        settings["Steps"] = recipe["steps"]
    if "guidance" in recipe:
        settings["CFG scale"] = f"{recipe['guidance']:g}"
    if recipe.get("model"):  # without one nothing was drawn by lot
        settings["Seed"] = recipe["seed"]
    settings["Size"] = f"{recipe['width']}x{recipe['height']}"
    if recipe.get("model"):
        settings["Model"] = recipe["model"]
    if recipe.get("say"):
        settings["Made"] = recipe["say"]
    if styles:
        settings["Lora hashes"] = ", ".join(f"{_file_name(style)}: {style['sha256'][:_SHORT_HASH]}" for style in styles)
    settings["Version"] = GENERATOR
    lines = [prompt]
    if recipe.get("negative_prompt"):
        lines.append(f"Negative prompt: {recipe['negative_prompt']}")
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in settings.items()))
    return "\n".join(lines)


def xmp() -> bytes:
    """A packet that says: made by a trained model, with this product."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f" xmp:CreatorTool={quoteattr(GENERATOR)} Iptc4xmpExt:DigitalSourceType={quoteattr(AI_GENERATED)}/>"
        '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def _file_name(style: Mapping[str, Any]) -> str:
    """The name under which the style's version is exported, so that a tool finds the file."""
    return f"{slugify(style['name']) or 'style'}-v{style['version']}"


def _quoted(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if _NEEDS_QUOTES.search(text) else text


def _text(keyword: bytes, text: str) -> bytes:
    """A tEXt chunk, which is Latin-1; other letters need iTXt."""
    try:
        return _chunk(b"tEXt", keyword + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return _utf8(keyword, text.encode())


def _utf8(keyword: bytes, text: bytes) -> bytes:
    """An iTXt chunk: not compressed, no language, no translated keyword."""
    return _chunk(b"iTXt", keyword + b"\0\0\0\0\0" + text)


def _chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
