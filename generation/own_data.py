"""What was asked for: written into a person's archive, erased with uploads and masks when the account closes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.exporting import Archive
from accounts.models import User
from config.kit import media
from generation import sources
from generation.models import Request

SAY = "everything you asked for: prompts, settings, what it began with, and which pictures came of it"
AT_ONCE = 200
REQUESTS, FILES = gettext_noop("requests"), gettext_noop("uploads and masks")  # of the receipt


def write(user: User, archive: Archive) -> None:
    archive.rows("requests.json", _rows(user, archive))


def goes(user: User) -> str:
    count = Request.objects.filter(owner=user).count()
    return _("What you asked for (%(n)d), with uploads and masks.") % {"n": count} if count else ""


def erase(user: User) -> Mapping[str, int]:
    counts = {REQUESTS: 0, FILES: 0}
    for request in Request.objects.filter(owner=user).iterator():
        counts[REQUESTS] += 1
        counts[FILES] += media.delete_all(f"requests/{request.public_id}")
        request.delete()
    counts[FILES] += media.delete_all(f"{sources.UPLOADS}/{user.public_id}")
    return counts


def _rows(user: User, archive: Archive) -> Iterator[dict[str, Any]]:
    fields: tuple[str, ...] = (
        "tool",
        "prompt",
        "enhanced_prompt",
        "full_prompt",
        "negative_prompt",
        "params",
        "seed",
        "created_at",
        "deleted_at",
    )
    requests = Request.objects.filter(owner=user).select_related("source").order_by("pk")
    whole = requests.prefetch_related("styles__style", "styles__adapter", "outputs__artwork", "outputs__job")
    for request in whole.iterator(chunk_size=AT_ONCE):
        row: dict[str, Any] = {"id": request.public_id} | {field: getattr(request, field) for field in fields}
        row["began_with"] = request.source.public_id if request.source else _upload(request, archive)
        row["mask"] = archive.file(f"{request.public_id}/mask.png", request.mask_key)
        row["styles"] = [
            {"id": one.style.public_id, "version": one.adapter.number, "weight": one.weight}
            for one in request.styles.all()
        ]
        row["pictures"] = [
            {"seed": one.seed, "state": one.job.state, "artwork": one.artwork.public_id if one.artwork else None}
            for one in request.outputs.all()
        ]
        yield row


def _upload(request: Request, archive: Archive) -> str:
    kept = request.source_key if sources.is_upload(request.source_key) else ""
    return archive.file(f"{request.public_id}/source.png", kept)
