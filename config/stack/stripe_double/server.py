"""HTTP around the double: the REST API under /v1/, pages everywhere else."""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from config.stack.stripe_double.double import Double
from config.stack.stripe_double.pages.site import respond

log = logging.getLogger("stripe_double")
_LARGEST = 1024 * 1024


class Server(ThreadingHTTPServer):
    """Serves one double. `port=0` takes a free one."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, double: Double | None = None) -> None:
        super().__init__((host, port), _Handler)
        self.double = double

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "StripeDouble"
    server: Server

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_DELETE = do_HEAD = do_GET

    def _handle(self) -> None:
        double = self.server.double
        assert double is not None  # set before serving starts
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST:
            self._send(413, b"Too large.", {"Content-Type": "text/plain; charset=utf-8", "Connection": "close"})
            return
        body = self.rfile.read(length).decode("utf-8", errors="replace")
        try:
            self._answer(double, body)
        except Exception:  # a fault of the double's own must not look like a lost connection
            log.exception("%s %s", self.command, self.path)
            said = b'{"error": {"type": "api_error", "message": "The double itself has failed; see its log."}}'
            self._send(500, said, {"Content-Type": "application/json", "Stripe-Should-Retry": "false"})

    def _answer(self, double: Double, body: str) -> None:
        address = urlsplit(self.path)
        if address.path.startswith("/v1/"):
            answer = double.answer(self.command, address.path, address.query, body, dict(self.headers))
            self._send(answer.status, answer.encoded(), {"Content-Type": "application/json", **answer.headers})
            return
        page = respond(double, self.command, address.path, address.query, body, dict(self.headers))
        self._send(page.status, page.encoded(), page.headers())

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        log.info(format, *args)
