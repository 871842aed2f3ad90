"""Styles: written into a person's archive with works and weights, erased when their account closes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from accounts.exporting import Archive
from accounts.models import User
from config.kit import media
from styles import erasing
from styles.models import Adapter, Reference, Style

SAY = "every style: its works with their captions, what you declared, consents, and the weights of each version"
STYLES, WORKS, VERSIONS = gettext_noop("styles"), gettext_noop("works"), gettext_noop("versions")  # of the receipt
DEEDS = {
    "style.create": gettext_lazy("Style made"),
    "style.import": gettext_lazy("LoRA imported as a style"),
    "style.declare": gettext_lazy("Rights to the works of a style declared"),
    "style.use_instead": gettext_lazy("Style chosen among those of the plan"),
    "style.delete": gettext_lazy("Style deleted"),
    "style.restore": gettext_lazy("Style brought back"),
    "consent.record": gettext_lazy("Consent of a depicted person recorded"),
    "consent.revoke": gettext_lazy("Consent of a depicted person revoked"),
}


def ids(user: User) -> QuerySet[Style, Any]:
    return Style.objects.with_deleted().filter(owner=user).values("public_id")


def write(user: User, archive: Archive) -> None:
    for style in Style.objects.with_deleted().filter(owner=user).order_by("pk").iterator():
        _write(style, archive)


def goes(user: User) -> str:
    styles = Style.objects.with_deleted().filter(owner=user, purged_at=None)
    if not styles:
        return ""
    works = Reference.objects.with_deleted().filter(style__owner=user).count()
    versions = Adapter.objects.filter(style__owner=user, state=Adapter.State.READY).count()
    say = _("Your styles (%(styles)d), their works (%(works)d) and their versions with the weights (%(versions)d).")
    return say % {"styles": len(styles), "works": works, "versions": versions}


def erase(user: User) -> Mapping[str, int]:
    """Each as when it is deleted for good, and then its row: nothing of this person refers to it any more."""
    counts = {STYLES: 0, WORKS: 0, VERSIONS: 0}
    for style in Style.objects.with_deleted().filter(owner=user):
        counts[STYLES] += 1
        counts[WORKS] += Reference.objects.with_deleted().filter(style=style).count()
        counts[VERSIONS] += style.adapters.count()
        erasing.erase_style(style)
        media.delete_all(f"styles/{style.public_id}")
        style.delete()
    return counts


def _write(style: Style, archive: Archive) -> None:
    folder = f"{style.name}-{str(style.public_id)[:8]}"
    fields = ("name", "description", "kind", "status", "trigger_word", "allow_flip", "is_sample")
    about = {"id": style.public_id} | {field: getattr(style, field) for field in fields}
    about |= {"created_at": style.created_at, "deleted_at": style.deleted_at}
    about["declarations"] = list(style.declarations.values("choice", "text_version", "file_hashes", "at"))
    shown = ("subject_name", "is_adult", "statement", "text_version", "created_at", "expires_at", "revoked_at")
    about["consents"] = list(style.consents.values(*shown))
    archive.data(f"{folder}/style.json", about)
    archive.rows(f"{folder}/works.json", _works(style, archive, folder))
    archive.rows(f"{folder}/versions.json", _versions(style, archive, folder))


def _works(style: Style, archive: Archive, folder: str) -> Iterator[dict[str, Any]]:
    fields: tuple[str, ...] = (
        "position",
        "filename",
        "sha256",
        "width",
        "height",
        "bytes",
        "caption",
        "caption_source",
        "verdict",
        "remarks",
        "created_at",
        "deleted_at",
    )
    for work in Reference.objects.with_deleted().filter(style=style).order_by("position", "pk").iterator():
        name = f"{folder}/works/{work.position:02d}-{PurePath(work.filename).stem}{PurePath(work.key).suffix}"
        row = {"id": work.public_id, "file": archive.file(name, work.key)}
        yield row | {field: getattr(work, field) for field in fields}


def _versions(style: Style, archive: Archive, folder: str) -> Iterator[dict[str, Any]]:
    fields = ("number", "name", "origin", "state", "base", "method", "rank", "steps", "loss", "created_at")
    for version in Adapter.objects.filter(style=style).order_by("number").iterator():
        name = f"{folder}/versions/{version.number:02d}.safetensors"
        row = {"id": version.public_id, "weights": archive.file(name, version.key)}
        yield row | {field: getattr(version, field) for field in fields}
