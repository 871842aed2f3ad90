"""The heartbeat of a run, beside it: the lease is renewed and wishes are heard whatever the run is busy with."""

from __future__ import annotations

import threading
import time

import structlog
from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from gpu import lifecycle
from gpu.lifecycle import Signals
from gpu.models import Job, Worker

log = structlog.get_logger(__name__)

BEAT = 5.0  # seconds between two renewals of the lease
LOOK = 0.5  # seconds between two looks at what is wished


class Pulse:
    """`with Pulse(...) as pulse:` and read `pulse.signals`."""

    def __init__(self, worker: Worker, job: Job) -> None:
        self.signals = Signals()
        self._worker, self._job = worker, job
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        beaten = time.monotonic()  # the claim was the first beat
        while not self._over.wait(LOOK):
            due = time.monotonic() - beaten >= BEAT
            try:
                verb = lifecycle.heartbeat if due else lifecycle.signals
                self.signals = verb(job_id=self._job.pk, fence=self._job.fence)
                if due:
                    beaten = time.monotonic()
                    Worker.objects.filter(pk=self._worker.pk).update(seen_at=Now())
            except (DatabaseError, InterfaceError) as error:  # away: the run goes on and the next beat may reach it
                log.warning("pulse_missed", job=str(self._job.public_id), error=str(error))
                connection.close()
        connection.close()
