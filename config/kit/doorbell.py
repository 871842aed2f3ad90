"""Doorbells: a Celery message that says "there is work", and carries none.

Without Redis it takes Celery seconds to notice, so a thread rings. It may fail or come twice: whoever works looks by
itself again and again.
"""

from __future__ import annotations

import threading
from functools import partial

import structlog
from celery import current_app

from config.kit.aside import PerProcess

log = structlog.get_logger(__name__)

EXPIRES = 30  # seconds; who hears it later has looked by itself


class Doorbell:
    """The bell of one task. `ring` costs its caller nothing, with Redis or without."""

    def __init__(self, task: str) -> None:
        self._puller = PerProcess(partial(_Puller, task))

    def ring(self) -> None:
        self._puller.get().pull()


class _Puller:
    """Rings once for all who pulled it since the last time."""

    def __init__(self, task: str) -> None:
        self._task = task
        self._pulled = threading.Event()
        threading.Thread(target=self._ring, name=f"bell {task}", daemon=True).start()

    def pull(self) -> None:
        self._pulled.set()

    def _ring(self) -> None:
        while self._pulled.wait():
            self._pulled.clear()
            try:
                current_app.send_task(self._task, expires=EXPIRES, retry=False)
            except Exception as error:  # noqa: BLE001 - the broker's clients raise many kinds: nobody hears it
                log.warning("doorbell_silent", task=self._task, error=str(error))
