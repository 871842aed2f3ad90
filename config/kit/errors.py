"""A refusal: bad input or a rule, told in a sentence the person can act on. Never a 500."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode


@dataclass(frozen=True)
class WayUp:
    """What would lift the refusal, as a button: where to, what is bought there, and of which plan it is."""

    label: str
    url: str
    offer: str = ""
    plan: str = ""

    def back_to(self, path: str) -> WayUp:
        """The same way, which leads back here afterwards."""
        if not path:
            return self
        return replace(self, url=f"{self.url}{'&' if '?' in self.url else '?'}{urlencode({'next': path})}")


class Refusal(Exception):
    """Raised by actions, answered by `RefusalMiddleware` on pages and by the API's problem handler.

    `say` is the whole sentence for the person, `code` is stable for programs, `field` names the input at fault.
    `ways_up` is what would lift it, the best first.
    """

    status = 422

    def __init__(
        self,
        say: str,
        *,
        code: str,
        field: str | None = None,
        status: int | None = None,
        ways_up: Sequence[WayUp] = (),
    ) -> None:
        super().__init__(say)
        self.say = say
        self.code = code
        self.field = field
        self.ways_up = tuple(ways_up)
        if status is not None:
            self.status = status

    @property
    def way_up(self) -> WayUp | None:
        return self.ways_up[0] if self.ways_up else None


class Conflict(Refusal):
    """The thing is in a state in which this cannot be done (any more)."""

    status = 409


class TooMany(Refusal):
    """A limit was met; `retry_after` is in seconds."""

    status = 429

    def __init__(self, say: str, *, code: str = "too_many", retry_after: int) -> None:
        super().__init__(say, code=code)
        self.retry_after = retry_after
