"""A version's weights in the spelling that another tool wants, converted once and kept beside them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django.utils.text import slugify
from django.utils.translation import gettext as _

from config.kit import media
from config.kit.errors import Refusal
from gpu.engine import weights
from gpu.engine.catalogue import describe
from styles.models import Adapter


def download_url(adapter: Adapter, *, wanted: str = "") -> str:
    """A signed address of the file. `wanted` is `kohya` or `diffusers`; without it the file as it was made."""
    if wanted and wanted not in weights.FORMATS:
        raise Refusal(
            _("There are two formats: %(formats)s.") % {"formats": ", ".join(weights.FORMATS)},
            code="unknown_format",
            field="format",
        )
    if not wanted or adapter.method == "textual_inversion":  # learned words have one spelling everywhere
        return media.signed_url(adapter.key, download=filename(adapter))
    return media.signed_url(_in_format(adapter, wanted), download=filename(adapter, wanted))


def filename(adapter: Adapter, wanted: str = "") -> str:
    stem = slugify(adapter.style.trigger_word) or slugify(adapter.style.name) or "style"
    return f"{stem}-v{adapter.number}{f'-{wanted}' if wanted else ''}.safetensors"


def keys_of(adapter: Adapter) -> list[str]:
    """Every file of a version, those that were converted too: what has to go when it is erased."""
    return [key for key in (adapter.key, adapter.works_key, *(_key(adapter, one) for one in weights.FORMATS)) if key]


def _key(adapter: Adapter, wanted: weights.Format) -> str:
    return f"{adapter.key.removesuffix('.safetensors')}.{wanted}.safetensors" if adapter.key else ""


def _in_format(adapter: Adapter, wanted: weights.Format) -> str:
    key = _key(adapter, wanted)
    if media.exists(key):
        return key
    with tempfile.TemporaryDirectory(prefix="weights-") as folder, media.local_copy(adapter.key) as source:
        target = Path(folder) / "converted.safetensors"
        try:
            weights.convert(source, target, wanted, describe(adapter.base))
        except (weights.Failure, OSError, ValueError, KeyError) as error:
            say = _("This version cannot be written in that format. Download it as it is.")
            raise Refusal(say, code="not_convertible", field="format") from error
        return media.save(key, target)
