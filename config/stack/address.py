"""Where the site listens and what people type to reach it."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

from config.stack.state import Trouble

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Address:
    """`HOST` and `PORT` as given, and the address they make."""

    host: str
    port: int

    @classmethod
    def from_environment(cls) -> Address:
        given = os.environ.get("PORT") or "8000"
        if not given.isdecimal() or not 0 < int(given) < 65536:
            raise Trouble(f"PORT is {given!r}; it must be a number from 1 to 65535.")
        return cls(os.environ.get("HOST") or "localhost", int(given))

    @property
    def bind(self) -> str:
        return "127.0.0.1" if self.host == "localhost" else self.host

    @property
    def loopback_only(self) -> bool:
        return self.host in _LOOPBACK

    @property
    def probe(self) -> str:
        """The address by which this machine itself reaches the site."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.bind, self.bind)

    @property
    def name(self) -> str:
        name = socket.gethostname() if self.host in _EVERYWHERE else self.host
        return f"[{name}]" if ":" in name else name

    @property
    def public_url(self) -> str:
        return os.environ.get("PUBLIC_URL") or f"http://{self.name}:{self.port}"

    def allowed_hosts(self) -> str:
        """The names under which the site answers, beside PUBLIC_URL's and the loopback ones."""
        given = os.environ.get("ALLOWED_HOSTS")
        return given or ",".join({self.name, *(self._own_addresses() if self.host in _EVERYWHERE else ())})

    def check_free(self) -> None:
        """Say so in a sentence when another program listens there already."""
        family = socket.AF_INET6 if ":" in self.bind else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.bind, self.port))
                probe.listen()
            except PermissionError as error:
                raise Trouble(f"Port {self.port} needs root. Choose one above 1023: make run PORT=8000") from error
            except socket.gaierror as error:
                raise Trouble(f"HOST is {self.host!r}, which this machine cannot resolve.") from error
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise Trouble(
                        f"Port {self.port} is taken by another program. "
                        f"End that one, or choose another port: make run PORT={self.port + 1}"
                    ) from error
                raise Trouble(f"This machine cannot listen at {self.host}: {error.strerror}.") from error

    @staticmethod
    def _own_addresses() -> set[str]:
        try:
            found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
        except OSError:
            return set()
        return {str(entry[4][0]) for entry in found}
