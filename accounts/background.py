"""Archives and closings take minutes: a thread of their own makes them, so that no chore waits behind them."""

from __future__ import annotations

import threading

import structlog
from django.db import close_old_connections

from config.kit.aside import PerProcess
from config.kit.doorbell import Doorbell

log = structlog.get_logger(__name__)

_bell = Doorbell("accounts.tasks.own_data")


def ring() -> None:
    """There is an archive to make, or an account to close."""
    _bell.ring()


class _Maker:
    """Works once for all who pulled since the last time. Whoever is stopped in the middle is begun anew elsewhere."""

    def __init__(self) -> None:
        self._pulled = threading.Event()
        threading.Thread(target=self._work, name="own data", daemon=True).start()

    def pull(self) -> None:
        self._pulled.set()

    def _work(self) -> None:
        while self._pulled.wait():
            self._pulled.clear()
            close_old_connections()
            try:
                work()
            except Exception:
                log.exception("own_data_troubled")
            finally:
                close_old_connections()


def work() -> None:
    """Everything that waits."""
    from accounts import closing, exporting

    exporting.work()
    closing.work()


maker = PerProcess(_Maker)
