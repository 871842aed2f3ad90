"""Words around a style: names of files, captions suggested from them, trigger words."""

from __future__ import annotations

import re
import secrets
import unicodedata
from pathlib import PurePath

from django.utils.translation import gettext as _

MAX_FILENAME = 120

# What cameras, phones and scanners call their files: nothing of it says what is to be seen.
_MACHINE_NAME = re.compile(
    r"""^(?:
        (?:img|image|dsc[fn]?|dcim|pxl|mvimg|p|photo|foto|picture|pic|scan|scanned|screenshot|screen\ shot
          |bildschirmfoto|whatsapp\ image|signal|fb\ img|untitled|unnamed|unknown|file|download|export|artwork|work
          |page|sample|test|ref|reference|new|document|canvas|layer)
        [\W\d]*(?:at|am|pm|copy|edited|burst|portrait|night|hdr)?[\W\d]*
        |[\W\d]*
        |(?=[0-9a-f-]*\d)[0-9a-f-]{8,}
    )$""",
    re.IGNORECASE | re.VERBOSE,
)
# How a picture was made or kept. The style is what the model is to learn, so a caption must not name it.
_NOT_CONTENT = re.compile(
    r"""^(?:acrylics?|aquarelle|art|artwork|charcoal|copy|crayon|crop|cropped|digital|draft|draw(?:ing|n)|edit(?:ed)?
    |engraving|etching|export(?:ed)?|final|finished|fullsize|gouache|hires|hq|illustration|ink|inked|jpe?g|large|linocut
    |lithograph|lowres|oils?|original|paint(?:ed|ing)|pastels?|pencil|png|portfolio|print(?:ed)?|render(?:ed)?|scan
    |scanned|sketch(?:ed)?|small|style|study|tempera|thumb|thumbnail|ver|version|vector|watercolou?rs?|web|webp|woodcut
    )$""",
    re.IGNORECASE | re.VERBOSE,
)


def clean_filename(name: str) -> str:
    """The last part of an uploaded file's name, fit to be shown; a long one loses its middle."""
    last = _plain(PurePath(name.replace("\\", "/")).name) or _("unnamed")
    if len(last) <= MAX_FILENAME:
        return last
    return f"{last[: MAX_FILENAME - 20]}…{last[-19:]}"


def suggest_caption(filename: str, *, style_name: str = "") -> str:
    """What a file's name says about its picture, or nothing. Never a word about the style."""
    stem = PurePath(filename).stem
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem)  # RedFox is two words
    words = re.sub(r"[_\-+.,()\[\]{}#@&~]+", " ", words).strip()
    if _MACHINE_NAME.match(stem) or _MACHINE_NAME.match(words):
        return ""
    of_the_name = {word.lower() for word in re.findall(r"\w+", style_name)}

    def is_content(word: str) -> bool:
        named = word.lower() in of_the_name or _NOT_CONTENT.match(word)
        return not named and not any(letter.isdigit() for letter in word)

    kept = [word for word in words.split() if is_content(word)]
    caption = " ".join(kept).lower()
    return caption[:200] if sum(c.isalpha() for c in caption) >= 3 else ""


def new_trigger_word() -> str:
    """A word that can be said and means nothing: its two middle consonants do not meet within English words.

    Six or eight letters, about a million of them. A model knows nothing by that name, so it is free to learn.
    """
    pick = secrets.choice
    while True:
        onset, coda = pick("bdhlmnrtz") + pick("aeiou"), pick("lmnrst")
        more = pick("bdlmnrtvz") + pick("aeiou") if secrets.randbelow(2) else ""
        word = onset + pick(_MEETINGS) + pick("aeiou") + more + coda
        if not any(rude in word for rude in _RUDE):
            return word


_MEETINGS = ("kv", "zv", "vz", "zk", "vk", "gv", "zg", "vg", "jk", "fz", "zr", "vm", "zd", "vd", "gz", "kz")
_RUDE = ("nig", "naz", "tit", "rap", "hom", "dik", "bit", "tun", "bum", "dum", "nut", "hor")


def _plain(text: str) -> str:
    """Without control, format, surrogate and private characters; white space is one space; composed form (NFC)."""
    seen = "".join(" " if c.isspace() else c for c in text)
    shown = "".join(c for c in seen if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
    return unicodedata.normalize("NFC", " ".join(shown.split()))
