"""Files of people: saved under keys, read back, and shown through signed addresses that end after minutes.

A key is a relative path chosen by us, never by a browser. With an S3 bucket the store signs the address; on a
disk we sign it ourselves. Addresses are stable for some minutes, so that a browser's cache can work.
"""

from __future__ import annotations

import mimetypes
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.core import signing
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.http import content_disposition_header

from config.kit.ranges import file_response

SIGNED_FOR_SECONDS = 300
_SALT = "media"
_TYPES = {
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
    ".glb": "model/gltf-binary",
    ".safetensors": "application/octet-stream",
    ".zip": "application/zip",
}


def save(key: str, content: bytes | Path) -> str:
    """Store under exactly this key, replacing what was there (a repeated effect must not make a second file)."""
    if _on_disk():
        target = Path(default_storage.path(key))
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as beside:
            if isinstance(content, Path):
                with content.open("rb") as source:
                    shutil.copyfileobj(source, beside)
            else:
                beside.write(content)
        os.chmod(beside.name, 0o640)
        os.replace(beside.name, target)
        return key
    if isinstance(content, Path):
        with content.open("rb") as source:
            return default_storage.save(key, File(source))
    return default_storage.save(key, ContentFile(content))


def take_in(key: str, path: Path) -> str:
    """The same for a large file that nobody needs any more where it is: on the same disk it is moved, not copied."""
    if not _on_disk():
        return save(key, path)
    target = Path(default_storage.path(key))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(path, target)
    except OSError:  # another file system
        return save(key, path)
    os.chmod(target, 0o640)
    return key


def open_file(key: str) -> IO[bytes]:
    return default_storage.open(key, "rb")


def read(key: str) -> bytes:
    with default_storage.open(key, "rb") as file:
        content: bytes = file.read()
    return content


def delete(key: str) -> None:
    if key:
        default_storage.delete(key)


def delete_all(folder: str) -> int:
    """Every file below a folder, and on a disk the folder; how many files there were."""
    try:
        folders, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return 0
    for name in names:
        default_storage.delete(f"{folder}/{name}")
    count = len(names) + sum(delete_all(f"{folder}/{name}") for name in folders)
    if _on_disk():
        shutil.rmtree(default_storage.path(folder), ignore_errors=True)
    return count


def exists(key: str) -> bool:
    return bool(key) and default_storage.exists(key)


@contextmanager
def local_copy(key: str) -> Iterator[Path]:
    """The file as a path on this machine, for the duration of the block."""
    if _on_disk():
        yield Path(default_storage.path(key))
        return
    with tempfile.TemporaryDirectory() as folder:
        yield fetch(key, Path(folder) / Path(key).name)


def fetch(key: str, target: Path) -> Path:
    """Bring the file to `target` (a link where the disk allows it)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if _on_disk():
        try:
            os.link(default_storage.path(key), target)
            return target
        except OSError:
            pass  # another file system: copy below
    with default_storage.open(key, "rb") as source, target.open("wb") as out:
        shutil.copyfileobj(source, out)
    return target


def signed_url(key: str, *, download: str = "") -> str:
    """An address that works for five to ten minutes. `download` is the file name of an attachment."""
    if not key:
        return ""
    if not _on_disk():
        parameters = {"ResponseContentDisposition": content_disposition_header(True, download)} if download else None
        return default_storage.url(key, parameters=parameters)  # type: ignore[call-arg]
    # the period is part of the signature, so that one address serves a browser's cache for its whole period
    period = int(time.time()) // SIGNED_FOR_SECONDS
    token = signing.Signer(salt=_SALT).signature(f"{key}|{period}|{download}")
    return reverse("media", kwargs={"key": key}) + f"?p={period}&s={token}" + (f"&d={download}" if download else "")


def serve(request: HttpRequest, key: str) -> HttpResponseBase:
    """The view behind `signed_url` for files on a disk: fixed type, no sniffing, no scripts, no frame."""
    period, download = request.GET.get("p", ""), request.GET.get("d", "")
    expected = signing.Signer(salt=_SALT).signature(f"{key}|{period}|{download}")
    if not constant_time_compare(request.GET.get("s", ""), expected):
        raise Http404
    if int(period) < int(time.time()) // SIGNED_FOR_SECONDS - 1:  # a number, as we signed it
        raise Http404
    response = answer(request, key, filename=download)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cache-Control"] = f"private, max-age={SIGNED_FOR_SECONDS}, immutable"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def answer(request: HttpRequest, key: str, *, filename: str = "") -> HttpResponseBase:
    """The file of a key, or the part of it that was asked for. With a `filename` it is an attachment."""
    try:
        file = default_storage.open(key, "rb")
    except (FileNotFoundError, ValueError) as error:
        raise Http404 from error
    suffix = Path(key).suffix.lower()
    content_type = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
    return file_response(request, file, file.size, content_type=content_type, filename=filename)


def _on_disk() -> bool:
    return isinstance(storages["default"], FileSystemStorage)
