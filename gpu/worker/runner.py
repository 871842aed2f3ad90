"""The thread that works: it owns the engine and takes one job after the other."""

from __future__ import annotations

import os
import socket
import threading
import time

import structlog
from django.db import connection
from django.db.models.functions import Now

from gpu import lifecycle
from gpu.engine_process import EngineProcess
from gpu.models import Worker
from gpu.worker.attempt import Attempt
from gpu.worker.folders import tidy_all
from gpu.worker.seat import Seat

log = structlog.get_logger(__name__)

POLL = 10.0  # seconds without a ring after which it looks by itself
TIDY_EVERY = 600.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds before another start after a trouble


class Runner(threading.Thread):
    """Works until `leave`. Nothing that happens to a job, the engine, Redis or the database ends it."""

    def __init__(self) -> None:
        super().__init__(name="gpu-runner", daemon=True)
        # how long a run has to save itself when the worker is to go; the process needs a moment more to end
        self.grace = float(os.environ.get("WORKER_GRACE_SECONDS", "6"))
        self._bell = threading.Event()
        self._leaving = threading.Event()
        self._engine: EngineProcess | None = None
        self._worker: Worker | None = None
        self._tidied = float("-inf")

    # --- from other threads ---

    def hear(self) -> None:
        """Somebody rang."""
        self._bell.set()
        if self._worker:
            Worker.objects.filter(pk=self._worker.pk).update(heard_at=Now())

    def leave(self) -> None:
        """Take no more work; the run that is on saves itself and goes back into the line."""
        self._leaving.set()
        self._bell.set()

    # --- its own ---

    def run(self) -> None:
        self._seat = Seat()
        pause = FIRST_PAUSE
        while not self._leaving.is_set():
            try:
                self._prepare()
                self._work()
                pause = FIRST_PAUSE
                self._bell.wait(POLL)
                self._bell.clear()
            except Exception as error:  # noqa: BLE001 - the database away, an engine that will not start: it goes on
                log.warning("worker_troubled", error=f"{type(error).__name__}: {error}", pause=pause)
                connection.close()  # a broken one would stay broken
                self._leaving.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        self._go()

    def _prepare(self) -> None:
        """An engine that answers, a row that says so, and nothing left over from whoever sat here before."""
        self._ensure_engine()
        seen = {"seen_at": Now(), "device": self._device, "profile": self._profile}
        if self._worker is None or not Worker.objects.filter(pk=self._worker.pk).update(**seen):
            name = f"{socket.gethostname()} #{self._seat.number}"
            self._worker = Worker.objects.create(seat=self._seat.id, name=name, **seen)
            log.info("worker_ready", name=name, device=self._device)
        lifecycle.requeue_abandoned(worker=self._worker)
        lifecycle.requeue_lost()
        if time.monotonic() - self._tidied > TIDY_EVERY:
            tidy_all()
            self._tidied = time.monotonic()

    def _ensure_engine(self) -> EngineProcess:
        """No job is claimed for an engine that is not there. Raises EngineGone if it does not come up."""
        if self._engine is None or not self._engine.alive:
            self._engine = EngineProcess()
            self._seat.note_engine(self._engine.pid)
            hello = self._engine.hello()
            self._device, self._profile = hello.device, hello.profile[:20]
            if self._worker:
                self._worker.loaded = ""
        return self._engine

    def _work(self) -> None:
        """Until nothing waits."""
        assert self._worker
        while not self._leaving.is_set():
            engine = self._ensure_engine()
            job = lifecycle.claim(worker=self._worker)
            if job is None:
                return
            log.info("job_claimed", job=str(job.public_id), kind=job.kind, fence=job.fence)
            Attempt(engine=engine, worker=self._worker, job=job, leaving=self._leaving, grace=self.grace).run()

    def _go(self) -> None:
        try:
            if self._worker:
                Worker.objects.filter(pk=self._worker.pk).update(draining_at=Now())
            connection.close()
        except Exception as error:  # noqa: BLE001 - going is not held up by a database that is away
            log.warning("worker_left_unsaid", error=str(error))
        if self._engine:
            self._engine.quit()
        self._seat.note_engine(None)
        self._seat.leave()
