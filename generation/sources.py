"""The picture that a tool starts from: one's own from the gallery, an upload, or the one an earlier request began with.

Uploads are opened in the sandbox and kept as plain PNGs for a while; nothing refers to them but the requests that began
with them. What lies in the gallery is never copied: whoever deletes it has deleted it.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import io
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from accounts.models import User
from config.kit import media
from config.kit.errors import Refusal
from gallery import addresses
from gallery.models import Artwork
from generation.models import Request
from gpu.engine.catalogue import BaseFacts, Size
from styles.intake import pixels

UPLOADS = "uploads"  # the folder of the store
KEPT_UNUSED = datetime.timedelta(days=7)
MAX_SIDE = 2048  # the contract's, and more than any base draws well in one piece
_DATA_URI = re.compile(r"data:image/[a-z.+-]+;base64,", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """A picture to start from. `id` finds it again; `key` is its PNG; `artwork` where it hangs in the gallery."""

    id: str
    key: str
    width: int
    height: int
    artwork: Artwork | None = None

    @property
    def size(self) -> Size:
        return self.width, self.height

    @property
    def url(self) -> str:
        """As it may be shown: the clean master of an artwork is for the worker alone."""
        return addresses.file_url(self.artwork) if self.artwork else media.signed_url(self.key)


def read(owner: User, data: Mapping[str, Any]) -> Source:
    """The source that is named, or sent along as a file or a data URI. Raises a Refusal with a sentence."""
    value = data.get("source")
    if isinstance(value, File):
        return upload(owner, value)
    if not value:
        raise Refusal(_("Choose the picture to start from."), code="source_missing", field="source")
    if file := from_data_uri(value):
        return upload(owner, file)
    source = find(owner, value)
    if source is None:
        say = _("The picture to start from is not among yours. It may have been deleted.")
        raise Refusal(say, code="source_missing", field="source")
    return source


def find(owner: User, value: Any) -> Source | None:
    """This person's picture by id: an artwork, an upload, or what an earlier request began with."""
    if (key := _id(value)) is None:
        return None
    if artwork := Artwork.objects.owned_by(owner).filter(public_id=key).first():
        return _hanging(artwork)
    if uploaded := _uploaded(str(key), upload_key(owner, key)):
        return uploaded
    earlier = request_named(owner, key)
    return of_request(earlier) if earlier else None


def request_named(owner: User, value: Any) -> Request | None:
    """This person's earlier request of that id."""
    key = _id(value)
    return Request.objects.owned_by(owner).select_related("source").filter(public_id=key).first() if key else None


def _id(value: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        return None


def of_request(request: Request) -> Source | None:
    """What a request began with, as long as it is there."""
    if request.source:
        return _hanging(request.source) if request.source.deleted_at is None else None
    return _uploaded(Path(request.source_key).stem, request.source_key) if request.source_key else None


def _hanging(artwork: Artwork) -> Source | None:
    if artwork.kind != Artwork.Kind.IMAGE:
        return None
    return Source(str(artwork.public_id), artwork.key, artwork.width, artwork.height, artwork)


def _uploaded(name: str, key: str) -> Source | None:
    if not media.exists(key):
        return None
    with media.open_file(key) as file, Image.open(file, formats=["PNG"]) as image:  # the header alone; we wrote it
        return Source(name, key, image.width, image.height)


# --- uploads -----------------------------------------------------------------------------------------------------


def upload(owner: User, file: File[bytes]) -> Source:
    """Take a picture in: opened in the sandbox, upright sRGB, nothing else of the file left."""
    picture = pixels.read(file, field="source")
    key = uuid.uuid4()
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=3)
    return Source(str(key), media.save(upload_key(owner, key), out.getvalue()), picture.width, picture.height)


def upload_key(owner: User, key: uuid.UUID) -> str:
    return f"{UPLOADS}/{owner.public_id}/{key}.png"


def is_upload(key: str) -> bool:
    return key.startswith(f"{UPLOADS}/")


def purge_uploads(*, now: datetime.datetime) -> int:
    """Remove uploads that no request began with, once they are a week old. How many there were."""
    begun = Request.objects.filter(deleted_at=None, source_key__startswith=f"{UPLOADS}/")
    kept = set(begun.values_list("source_key", flat=True))
    gone = 0
    for key in _uploads():
        if key not in kept and now - default_storage.get_modified_time(key) > KEPT_UNUSED:
            media.delete(key)
            gone += 1
    return gone


def _uploads() -> Iterator[str]:
    with suppress(FileNotFoundError):  # nobody has uploaded anything yet
        for folder in default_storage.listdir(UPLOADS)[0]:
            for name in default_storage.listdir(f"{UPLOADS}/{folder}")[1]:
                yield f"{UPLOADS}/{folder}/{name}"


def from_data_uri(value: Any) -> File[bytes] | None:
    """The file in a data URI; None for anything else."""
    if not isinstance(value, str) or not (head := _DATA_URI.match(value)):
        return None
    try:
        return ContentFile(base64.b64decode(value[head.end() :], validate=True), name="picture")
    except (binascii.Error, ValueError):
        return ContentFile(b"", name="picture")  # told as an empty file


# --- sizes -------------------------------------------------------------------------------------------------------


def nearby(size: Size, base: BaseFacts, *, longest: int) -> Size:
    """The size closest to a picture's own that the base can work at, no side beyond `longest`.

    Sides are multiples of the base's stride. What is far too small is enlarged to half the base's native size.
    """
    longest = min(longest, MAX_SIDE) // base.stride * base.stride
    longer = max(size)
    scale = min(max(1.0, base.native / 2 / longer), longest / longer)

    def side(pixels: int) -> int:
        return min(longest, max(base.stride, 64, round(pixels * scale / base.stride) * base.stride))

    return side(size[0]), side(size[1])


def lay_out(request: Request, folder: Path) -> str:
    """Bring the source to the worker's disk, at the size that the request says; its path, or "" where there is none."""
    if not request.source_key:
        return ""
    target = folder / "source.png"
    _fetch(request.source_key, target)
    size = request.params.get("source_size")
    if size:
        with Image.open(target, formats=["PNG"]) as image:
            picture = image.convert("RGB")
        if picture.size != tuple(size):
            target.unlink()  # it may be a link to the stored file itself
            ImageOps.fit(picture, tuple(size), Image.Resampling.LANCZOS).save(target, "PNG", compress_level=1)
    return str(target)


def lay_out_mask(request: Request, folder: Path) -> str:
    """The same for the mask."""
    if not request.mask_key:
        return ""
    target = folder / "mask.png"
    _fetch(request.mask_key, target)
    return str(target)


def _fetch(key: str, target: Path) -> None:
    if not media.exists(key):
        say = _("The picture it starts from was deleted meanwhile.")
        raise Refusal(say, code="source_missing", field="source")
    media.fetch(key, target)
