"""The doorbell: a Celery message that says "there is work", and carries none.

Without Redis it takes Celery seconds to notice, so a thread rings. It may fail or come twice: workers look by
themselves every ten seconds.
"""

from __future__ import annotations

import threading

import structlog
from celery import current_app

from gpu.aside import PerProcess

log = structlog.get_logger(__name__)

EXPIRES = 30  # seconds; who hears it later has looked by itself


class Bell:
    """Rings once for all who pulled it since the last time."""

    def __init__(self) -> None:
        self._pulled = threading.Event()
        threading.Thread(target=self._ring, name="bell", daemon=True).start()

    def pull(self) -> None:
        self._pulled.set()

    def _ring(self) -> None:
        while self._pulled.wait():
            self._pulled.clear()
            try:
                current_app.send_task("gpu.worker.work", expires=EXPIRES, retry=False)
            except Exception as error:  # noqa: BLE001 - the broker's clients raise many kinds: nobody hears it
                log.warning("doorbell_silent", error=str(error))


_bell = PerProcess(Bell)


def ring() -> None:
    """Tell the workers that there is work."""
    _bell.get().pull()
