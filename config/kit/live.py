"""News for open tabs: a message to all sockets of one person. It may be lost; nothing depends on it.

A thread with an event loop of its own sends, so that whoever has news (a request, a worker in the middle of a run)
goes on at once, with Redis or without.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import structlog
from channels.layers import get_channel_layer

from config.kit.aside import PerProcess

log = structlog.get_logger(__name__)

SEND_TIMEOUT = 2.0  # seconds
MAX_WAITING = 200  # messages; more only pile up while Redis is away, and by then they are old news


def group_of(public_id: object) -> str:
    """The group of all sockets of one person."""
    return f"user-{public_id}"


def publish(group: str, message: dict[str, Any]) -> None:
    """Send `message` to the sockets of a group; its `type` names the consumer's method (`job.changed`)."""
    _publisher.get().send(group, message)


class Publisher:
    """The sending thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._waiting = 0
        threading.Thread(target=self._loop.run_forever, name="live", daemon=True).start()

    def send(self, group: str, message: dict[str, Any]) -> None:
        asyncio.run_coroutine_threadsafe(self._send(group, message), self._loop)

    async def _send(self, group: str, message: dict[str, Any]) -> None:
        if self._waiting >= MAX_WAITING:
            return
        self._waiting += 1
        try:
            await asyncio.wait_for(get_channel_layer().group_send(group, message), SEND_TIMEOUT)
        except Exception as error:  # noqa: BLE001 - the layer's client raises many kinds; each means that nobody hears it
            log.warning("live_silent", error=f"{type(error).__name__}: {error}")
        finally:
            self._waiting -= 1


_publisher = PerProcess(Publisher)
