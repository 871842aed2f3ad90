"""A LoRA that was made elsewhere becomes a style: looked into without reading a tensor, declared, and ready at once."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from config.kit import decency, media
from config.kit.errors import Conflict, Refusal
from config.kit.text import one_line
from gpu.engine import weights
from gpu.engine.catalogue import describe
from styles import rules
from styles.actions.adapters import finish_adapter, new_adapter
from styles.actions.papers import declare
from styles.actions.styles import clean_name
from styles.models import Adapter, Style

SAID_AT_MOST = 300_000  # characters of metadata: a training of 40 works leaves a tenth
GIGABYTE = 10**9


def import_adapter(
    *, owner: User, file: File[bytes], declaration: str, name: str = "", base: str = "", trigger_word: str = ""
) -> Style:
    """A style of kind *imported* with this LoRA as its first version. Raises `Refusal`.

    Without a name or a trigger word those that the file names are taken; a LoRA may have no trigger word at all.
    """
    base = base or settings.BASE_MODEL
    _require_safetensors(file)
    rules.not_too_fast(owner, files=1)
    rules.may_have_another(owner)
    with _on_disk(file) as (path, sha256):
        found = _examined(path, base)
        name = clean_name(name or found.title or PurePath(file.name or "").stem)
        trigger_word = one_line(
            trigger_word or found.trigger_word,
            field="trigger_word",
            name=_("The trigger word"),
            most=weights.MAX_TRIGGER,
        )
        _require_decent(name, trigger_word, *found.said)
        _require_new(owner, sha256)
        return _place(owner, name, trigger_word, declaration, base, found, path, sha256)


def _require_safetensors(file: File[bytes]) -> None:
    suffix = PurePath(file.name or "").suffix.lower()
    if suffix != ".safetensors":
        raise Refusal(
            _("Choose a .safetensors file. Other kinds of weights can run code, and are never opened."),
            code="not_safetensors",
            field="file",
        )
    if (file.size or 0) > weights.MAX_FILE:
        raise Refusal(
            _("This file has %(size).1f GB; a LoRA has 2 GB at most.") % {"size": (file.size or 0) / GIGABYTE},
            code="too_large",
            field="file",
            status=413,
        )


@contextmanager
def _on_disk(file: File[bytes]) -> Iterator[tuple[Path, str]]:
    """The upload as a path with its sha256; a large one lies on the disk already."""
    sha256 = hashlib.sha256()
    place = getattr(file, "temporary_file_path", None)
    if place is not None:
        for chunk in file.chunks():
            sha256.update(chunk)
        yield Path(place()), sha256.hexdigest()
        return
    with tempfile.NamedTemporaryFile(prefix="lora-", dir=settings.FILE_UPLOAD_TEMP_DIR) as copy:
        for chunk in file.chunks():
            sha256.update(chunk)
            copy.write(chunk)
        copy.flush()
        yield Path(copy.name), sha256.hexdigest()


def _examined(path: Path, base: str) -> weights.Examined:
    try:
        return weights.examine(path, describe(base))
    except weights.Failure as failure:
        raise Refusal(failure.say, code=failure.code, field="file") from failure


def _require_decent(*texts: str) -> None:
    """What is written about a LoRA tells what it draws: its tags are the captions that it learned."""
    text = ", ".join(texts)
    if len(text) > SAID_AT_MOST:
        raise Refusal(
            _("The file carries more text than can be checked. Save it without its metadata, then import it."),
            code="too_much_text",
            field="file",
        )
    if not decency.is_decent(text):
        raise Refusal(
            _("The name or the tags of this LoRA say that it makes sexual content, or joins it with minors. "
              "Such LoRAs are not taken."),
            code="unsafe_lora",
            field="file",
        )  # fmt: skip


def _require_new(owner: User, sha256: str) -> None:
    here = Adapter.objects.filter(
        style__owner=owner, style__deleted_at=None, sha256=sha256, state=Adapter.State.READY
    ).select_related("style")
    if adapter := here.first():
        raise Conflict(_("This LoRA is here already: “%(name)s”.") % {"name": adapter.style.name}, code="duplicate")


def _place(
    owner: User,
    name: str,
    trigger_word: str,
    declaration: str,
    base: str,
    found: weights.Examined,
    path: Path,
    sha256: str,
) -> Style:
    key = ""
    try:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=owner.pk)  # two tabs must not both take the last place of a plan
            rules.may_have_another(owner)
            style = Style.objects.create(
                owner=owner, name=name, kind=Style.Kind.IMPORTED, trigger_word=trigger_word, allow_flip=False
            )
            adapter = new_adapter(style=style, base=base, method="lora", rank=found.rank, steps=0)
            adapter.origin = Adapter.Origin.IMPORTED
            adapter.save(update_fields=["origin"])
            key = media.save(f"styles/{style.public_id}/versions/{adapter.public_id}.safetensors", path)
            finish_adapter(adapter=adapter, key=key, sha256=sha256, bytes=path.stat().st_size, loss=None, steps=0)
            declare(style=style, user=owner, choice=declaration, files=[sha256])
            audit.record(
                actor=owner,
                verb="style.import",
                target_kind="style",
                target=style.public_id,
                detail={"sha256": sha256},
            )
    except BaseException:
        media.delete(key)
        raise
    style.refresh_from_db()
    return style
