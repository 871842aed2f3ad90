"""Threads that do on the side what nobody should wait for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Makes one `T` a process, when it is first asked for: a thread does not survive a fork."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._making = threading.Lock()
        self._pid = 0

    def get(self) -> T:
        with self._making:
            if self._pid != os.getpid():
                self._made, self._pid = self._make(), os.getpid()
            return self._made
