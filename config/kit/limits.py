"""Rate limits in Redis. They fail open: without Redis a person still works (sign-in has allauth's own limits)."""

from __future__ import annotations

import time

import structlog
from django.core.cache import cache

from config.kit.errors import TooMany

log = structlog.get_logger(__name__)


def limit(name: str, subject: str, *, times: int, seconds: int, say: str, count: int = 1) -> None:
    """Count one use, or `count`; past `times` in the window of `seconds` raise `TooMany` with the sentence `say`."""

    window = int(time.time()) // seconds
    key = f"limit:{name}:{subject}:{window}"
    try:
        cache.add(key, 0, timeout=seconds + 1)
        used = cache.incr(key, count)
    except Exception as error:  # noqa: BLE001 - any failure of the cache must not stop a person's work
        log.warning("limit_unavailable", name=name, error=str(error))
        return
    if used > times:
        raise TooMany(say, retry_after=seconds - int(time.time()) % seconds)
