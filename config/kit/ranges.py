"""Parts of a file, as a player asks for them when one jumps within a film (RFC 9110, section 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import IO

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase

_ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_MOST_DIGITS = 18  # no file is as long; a longer number would only cost time


class _Part:
    """A file that ends early. Reads at most `left` bytes from where the file stands."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file = file
        self._left = left

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        content = self._file.read(wanted) if wanted else b""
        self._left -= len(content)
        return content

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class _Span:
    """From `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def file_response(
    request: HttpRequest, file: IO[bytes], size: int, *, content_type: str, filename: str = ""
) -> HttpResponseBase:
    """The file, or the part of it that was asked for. With a `filename` it is an attachment."""
    span = _asked(request, size)
    if span is None:
        response = FileResponse(file, content_type=content_type, as_attachment=bool(filename), filename=filename)
        response["Content-Length"] = str(size)
        response["Accept-Ranges"] = "bytes"
        return response
    if span.length <= 0:
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    file.seek(span.first)
    part = FileResponse(
        _Part(file, span.length),
        status=206,
        content_type=content_type,
        as_attachment=bool(filename),
        filename=filename,
    )
    part["Content-Length"] = str(span.length)
    part["Content-Range"] = f"bytes {span.first}-{span.last}/{size}"
    part["Accept-Ranges"] = "bytes"
    return part


def _asked(request: HttpRequest, size: int) -> _Span | None:
    """The one span asked for; None for the whole file, a span without length where there is nothing to send.

    Several spans at once, other units and a condition that we gave no means to meet are answered by the whole file.
    """
    asked = _ONE_RANGE.fullmatch(request.headers.get("Range", "").strip())
    if asked is None or "If-Range" in request.headers or max(map(len, asked.groups())) > _MOST_DIGITS:
        return None
    first, last = asked.groups()
    if not first and not last:
        return None
    if not first:  # the last so many bytes
        return _Span(max(0, size - int(last)), size - 1) if int(last) else _Span(0, -1)
    if last and int(last) < int(first):
        return None
    return _Span(int(first), min(int(last), size - 1) if last else size - 1)
