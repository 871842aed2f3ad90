"""Taking works in, captioning them, removing them and bringing them back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.files import File
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from config.kit import media
from config.kit.errors import Conflict, Refusal
from config.kit.text import one_line
from styles import rules
from styles.actions.status import refresh_status
from styles.intake import inspect as intake
from styles.intake import sentences
from styles.models import Reference, Style
from styles.words import clean_filename, suggest_caption

MAX_CAPTION = 300
SMALL_SIDE = 768  # below, the largest bases see an enlargement
BLURRED = 0.005  # measured: watercolour scans lie above 0.0065, the same under a 3 px blur below 0.0055 nearly all
ALIKE_BITS = 8  # of 64; unrelated works of one hand differ in 14 and more, a resaved or retouched copy in 0 to 6


@dataclass(frozen=True)
class Accepted:
    reference: Reference


@dataclass(frozen=True)
class Refused:
    filename: str
    code: str
    say: str


@dataclass(frozen=True)
class Incoming:
    """A file on its way in; `caption` where one came with it."""

    name: str
    file: File[bytes]
    caption: str = ""


@dataclass(frozen=True)
class _Candidate:
    """A file that became a picture and now asks for a place in the set."""

    filename: str
    sha256: str
    bytes: int
    caption: str
    picture: intake.Picture


def add_references(*, style: Style, files: Sequence[File[bytes] | Incoming]) -> list[Accepted | Refused]:
    """A verdict for each file, in their order. What is refused never spoils the others.

    Files are opened before the style is locked, so that several uploads run side by side; numbers, duplicates and the
    most there may be are decided under the lock.
    """
    rules.may_work_with(style)
    incoming = [file if isinstance(file, Incoming) else Incoming(file.name or "", file) for file in files]
    verdicts: dict[int, Accepted | Refused] = {}
    with intake.workspace() as work:
        candidates: dict[int, _Candidate] = {}
        copied = _copy_in(style, incoming, work, verdicts)
        for number, found in intake.inspect(work, list(copied)).items():
            filename = clean_filename(incoming[number].name)
            if isinstance(found, intake.Fault):
                verdicts[number] = _refused(filename, found.code, found.facts)
            else:
                sha256, size = copied[number]
                candidates[number] = _Candidate(filename, sha256, size, incoming[number].caption, found)
        if candidates:
            verdicts |= _place(style, candidates)
    return [verdicts[number] for number in range(len(incoming))]


def _copy_in(
    style: Style, incoming: Sequence[Incoming], work: Path, verdicts: dict[int, Accepted | Refused]
) -> dict[int, tuple[str, int]]:
    """Copy what may be worth opening into the workspace; (sha256, size) by number. The rest is refused unopened."""
    room = rules.MAX_REFERENCES(style.kind) - style.references.count()
    known = dict(style.references.values_list("sha256", "position"))
    copied: dict[int, tuple[str, int]] = {}
    for number, one in enumerate(incoming):
        filename = clean_filename(one.name)
        if room <= 0:
            verdicts[number] = _refused(filename, "full", {"most": rules.MAX_REFERENCES(style.kind)})
            continue
        if (one.file.size or 0) > sentences.MAX_BYTES:
            verdicts[number] = _refused(filename, "too_large", {})
            continue
        sha256 = _copy(one.file.chunks(), work / "in" / str(number))
        if sha256 in known:
            verdicts[number] = _refused(filename, "duplicate", {"of": known[sha256]})
        elif any(sha256 == other for other, _size in copied.values()):
            verdicts[number] = _refused(filename, "twice", {})
        else:
            copied[number] = (sha256, one.file.size or 0)
    return copied


def _copy(chunks: Iterable[bytes], target: Path) -> str:
    sha = hashlib.sha256()
    with target.open("wb") as out:
        for chunk in chunks:
            sha.update(chunk)
            out.write(chunk)
    return sha.hexdigest()


def _place(style: Style, candidates: dict[int, _Candidate]) -> dict[int, Accepted | Refused]:
    """Give each picture the lowest free number of its style, all in one transaction."""
    saved: list[str] = []
    try:
        with transaction.atomic():
            style = Style.objects.select_for_update().get(pk=style.pk)
            here = list(style.references.all())
            verdicts: dict[int, Accepted | Refused] = {}
            for number, candidate in candidates.items():
                verdict = _place_one(style, candidate, here, saved)
                verdicts[number] = verdict
                if isinstance(verdict, Accepted):
                    here.append(verdict.reference)
            _extend_declaration(style, [v.reference.sha256 for v in verdicts.values() if isinstance(v, Accepted)])
            refresh_status(style=style)
    except BaseException:
        for key in saved:
            media.delete(key)
        raise
    return verdicts


def _place_one(style: Style, candidate: _Candidate, here: list[Reference], saved: list[str]) -> Accepted | Refused:
    most = rules.MAX_REFERENCES(style.kind)
    for other in here:
        if other.sha256 == candidate.sha256:
            return _refused(candidate.filename, "duplicate", {"of": other.position})
    if len(here) >= most:
        return _refused(candidate.filename, "full", {"most": most})
    figures = candidate.picture.figures
    remarks = _remarks(figures, here)
    reference = Reference(
        style=style,
        position=_free_position(here),
        filename=candidate.filename,
        sha256=candidate.sha256,
        phash=figures.phash,
        width=figures.width,
        height=figures.height,
        bytes=candidate.bytes,
        sharpness=figures.sharpness,
        tone=figures.tone,
        blur=figures.blur,
        features=figures.features.model_dump(),
        caption=candidate.caption or _suggestion(style, candidate.filename, here),
        caption_source=Reference.CaptionSource.SIDECAR if candidate.caption else Reference.CaptionSource.FILENAME,
        verdict=Reference.Verdict.REMARKED if remarks else Reference.Verdict.ACCEPTED,
        remarks=remarks,
    )
    folder = f"styles/{style.public_id}/references/{reference.public_id}"
    reference.key, reference.thumb_key = f"{folder}.jpg", f"{folder}-thumb.webp"
    for key, path in ((reference.key, candidate.picture.copy), (reference.thumb_key, candidate.picture.thumb)):
        saved.append(key)
        media.save(key, path)
    reference.save()
    return Accepted(reference)


def _suggestion(style: Style, filename: str, here: Iterable[Reference]) -> str:
    """What the file's name says. Words that several files share say nothing of any one of them."""
    words = suggest_caption(filename, style_name=style.name)
    alike = [
        other
        for other in here
        if words
        and other.caption_source == Reference.CaptionSource.FILENAME
        and suggest_caption(other.filename, style_name=style.name) == words
    ]
    for other in alike:
        if other.caption:
            other.caption = ""
            other.save(update_fields=["caption"])
    return "" if alike else words


def _remarks(figures: intake.Figures, here: Iterable[Reference]) -> list[dict[str, Any]]:
    remarks: list[dict[str, Any]] = []
    twin = min(here, key=lambda other: _bits_apart(other.phash, figures.phash), default=None)
    if twin is not None and _bits_apart(twin.phash, figures.phash) <= ALIKE_BITS:
        remarks.append(_remark("near_duplicate", of=twin.position))
    if min(figures.width, figures.height) < SMALL_SIDE:
        remarks.append(_remark("small", width=figures.width, height=figures.height))
    if figures.sharpness < BLURRED:
        remarks.append(_remark("blurred"))
    return remarks


def _remark(code: str, **facts: int) -> dict[str, Any]:
    remark: dict[str, Any] = {"code": code, "say": sentences.remark(code, facts)}
    return remark | ({"of": facts["of"]} if "of" in facts else {})


def _bits_apart(one: int, other: int) -> int:
    return ((one ^ other) & (2**64 - 1)).bit_count()


def _refused(filename: str, code: str, facts: dict[str, Any]) -> Refused:
    return Refused(filename, code, sentences.refusal(code, facts))


def _free_position(here: Iterable[Reference]) -> int:
    taken = {reference.position for reference in here}
    return next(position for position in range(1, len(taken) + 2) if position not in taken)


def _extend_declaration(style: Style, hashes: list[str]) -> None:
    """What was declared covers works that are added later; the row then names them too."""
    declaration = style.declarations.first()
    if declaration is not None and hashes:
        declaration.file_hashes = [*declaration.file_hashes, *hashes]
        declaration.save(update_fields=["file_hashes"])


def set_caption(*, reference: Reference, caption: str) -> Reference:
    """What is in the picture, in the artist's words."""
    rules.may_work_with(reference.style)
    reference.caption = one_line(caption, field="caption", name=_("The caption"), most=MAX_CAPTION)
    reference.caption_source = Reference.CaptionSource.PERSON
    reference.save(update_fields=["caption", "caption_source"])
    return reference


@transaction.atomic
def delete_reference(*, reference: Reference) -> Reference:
    """Take it out of the set. Its files stay for a day, in which `restore_reference` brings it back."""
    style = Style.objects.with_deleted().select_for_update().get(pk=reference.style_id)
    reference.deleted_at = timezone.now()
    reference.save(update_fields=["deleted_at"])
    _forget_twin(style, reference.position)
    refresh_status(style=style)
    return reference


@transaction.atomic
def restore_reference(*, reference: Reference) -> Reference:
    """Bring a removed work back, to its old number if that is still free."""
    style = Style.objects.select_for_update().get(pk=reference.style_id)
    reference = Reference.objects.with_deleted().get(pk=reference.pk)
    if reference.deleted_at is None:
        return reference
    here = list(style.references.all())
    if same := next((other for other in here if other.sha256 == reference.sha256), None):
        raise Conflict(sentences.refusal("duplicate", {"of": same.position}), code="duplicate")
    most = rules.MAX_REFERENCES(style.kind)
    if len(here) >= most:
        raise Refusal(sentences.refusal("full", {"most": most}), code="full")
    if any(other.position == reference.position for other in here):
        reference.position = _free_position(here)
    reference.deleted_at = None
    reference.save(update_fields=["deleted_at", "position"])
    refresh_status(style=style)
    return reference


def _forget_twin(style: Style, position: int) -> None:
    """Others that were “almost the same as” the removed one are not any more."""
    for other in style.references.filter(verdict=Reference.Verdict.REMARKED):
        kept = [remark for remark in other.remarks if remark.get("of") != position]
        if len(kept) != len(other.remarks):
            other.remarks = kept
            other.verdict = Reference.Verdict.REMARKED if kept else Reference.Verdict.ACCEPTED
            other.save(update_fields=["remarks", "verdict"])
