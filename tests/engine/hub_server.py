"""A model hub in a thread: files of one repository, served as the real one does, with the faults a test asks for."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = ".safetensors"  # what the hub keeps as large files is named by its sha256, the rest as git does


@dataclass
class Hub:
    files: dict[str, bytes]
    address: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, range
    cut_after: int = 0  # bytes of a large file after which the connection ends, once for each entry of `answers`
    answers: list[int] = field(default_factory=list)  # statuses of the next GETs of large files; then 200 or 206
    status: int = 0  # the answer to everything
    altered: bytes = b""  # what is sent in place of a large file

    def etag(self, path: str) -> str:
        data = self.files[path]
        if path.endswith(LARGE):
            return hashlib.sha256(data).hexdigest()
        return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()

    def ranges(self, path: str) -> list[str]:
        return [asked for method, where, asked in self.asked if method == "GET" and where.endswith(path)]


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Hub]:
    hub = Hub(files)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("/resolve/")[2].partition("/")[2]
            asked = self.headers.get("Range", "")
            hub.asked.append((self.command, path, asked))
            if hub.status or path not in hub.files:
                self.refuse(hub.status or 404)
                return
            large = path.endswith(LARGE)
            status = hub.answers.pop(0) if body and large and hub.answers else 0
            if status >= 400:
                self.refuse(status)
                return
            data = hub.altered if body and large and hub.altered else hub.files[path]
            start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
            self.send_response(206 if asked else 200)
            self.send_header("ETag", f'"{hub.etag(path)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(data) - start))
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if body and large and hub.cut_after and not asked:
                self.wfile.write(data[: hub.cut_after])
                self.close_connection = True
            elif body:
                self.wfile.write(data[start:])

        def refuse(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("X-Repo-Commit", COMMIT)
            if status == 404:
                self.send_header("X-Error-Code", "EntryNotFound")
            if status == 403:
                self.send_header("X-Error-Code", "GatedRepo")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
