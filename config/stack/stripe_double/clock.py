"""Time as the double sees it: the machine's, and as far ahead as somebody moved it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

HOUR = 3600
DAY = 24 * HOUR


class Clock:
    """Seconds since 1970, in whole ones like every timestamp of Stripe's."""

    def __init__(self, ahead: int = 0) -> None:
        self.ahead = ahead
        self._moment: int | None = None

    def now(self) -> int:
        return self._moment if self._moment is not None else int(time.time()) + self.ahead

    @contextmanager
    def at(self, moment: int) -> Iterator[None]:
        """While something overdue is done it is the time at which it was due."""
        before, self._moment = self._moment, moment
        try:
            yield
        finally:
            self._moment = before
