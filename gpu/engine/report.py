"""A job's line to the worker: events out, and the three words that may come in while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import BaseModel

from gpu.engine import contract
from gpu.engine.catalogue import DeviceKind
from gpu.engine.contract import Outcome
from gpu.engine.failures import Failure

Emit = Callable[[BaseModel], None]

MIN_INTERVAL = 0.25  # seconds between two progress, metric or preview events: a page shows four a second at most

# A later word replaces an earlier one only if it is stronger: a cancelled run must not come back as yielded.
_STRENGTH: dict[Outcome, int] = {"yielded": 1, "stopped": 2, "cancelled": 3}


class Interrupted(Exception):
    """The worker asked the job to end. `outcome` is the word for how."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Report:
    """One job's events. Safe to be asked from another thread; it ends exactly once, whoever ends it."""

    def __init__(self, job: str, emit: Emit, *, device: DeviceKind = "cpu") -> None:
        self.job = job
        self.device = device
        self._emit = emit
        self._lock = threading.RLock()  # one who hears an event may ask for the end at once
        self._wanted: Outcome | None = None
        self._ended = False
        self.outcome: Outcome | None = None  # how it ended; None while it runs, and if it failed
        self._idle = True  # nothing begun, nothing to lose: queued, or reading a model
        self._last: dict[str, float] = {}
        self._fraction = 0.0
        self._phase = ""
        self._started = time.monotonic()

    # --- what the worker asks ---

    def ask(self, outcome: Outcome) -> None:
        """Asks the job to end. A job that waits, or loads what cannot be interrupted, ends here and now."""
        with self._lock:
            if self._wanted is None or _STRENGTH[outcome] > _STRENGTH[self._wanted]:
                self._wanted = outcome
            idle = self._idle
        if idle:
            self.done(outcome)

    @property
    def wanted(self) -> Outcome | None:
        return self._wanted

    def check(self) -> None:
        """Raises Interrupted if the worker asked the job to end. Called at least once a step."""
        if self._wanted is not None:
            raise Interrupted(self._wanted)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Around work that cannot stop half-way and leaves nothing behind: reading a model."""
        self._set_idle(True)
        self.check()
        try:
            yield
        finally:
            self._set_idle(False)
        self.check()

    def begin(self) -> None:
        """The job's turn has come."""
        self._started = time.monotonic()
        self._set_idle(False)
        self.check()

    def _set_idle(self, idle: bool) -> None:
        with self._lock:
            self._idle = idle

    # --- events ---

    def phase(self, name: str) -> None:
        if name == self._phase:
            return
        self._phase = name
        self._send(contract.Phase(job=self.job, phase=name))

    def progress(self, fraction: float, *, step: int = 0, steps: int = 0, eta: float | None = None) -> None:
        """`fraction` of the whole job. It never falls, whatever the estimate behind it does."""
        self._fraction = min(1.0, max(self._fraction, round(fraction, 4)))
        if step == steps or self._due("progress"):
            eta = None if eta is None else round(max(0.0, eta), 1)
            self._send(
                contract.Progress(job=self.job, fraction=self._fraction, step=step, steps=steps, eta_seconds=eta)
            )

    def metric(self, step: int, loss: float, *, anyway: bool = False) -> None:
        if anyway or self._due("metric"):
            self._send(contract.Metric(job=self.job, step=step, loss=loss))

    def preview(self, step: int, draw: Callable[[], str]) -> None:
        """Sends what `draw` returns (a WebP in base64), and draws only if a preview is due."""
        if self._due("preview"):
            self._send(contract.Preview(job=self.job, step=step, webp=draw()))

    def send(self, event: BaseModel) -> None:
        """Any other event of this job: bucket, sample, snapshot, checkpoint, artifact."""
        self._send(event)

    def done(self, outcome: Outcome, *, peak_bytes: int = 0) -> None:
        self.outcome = self.outcome or outcome
        seconds = round(time.monotonic() - self._started, 3)
        self._end(contract.Done(job=self.job, outcome=outcome, seconds=seconds, peak_bytes=peak_bytes))

    def fail(self, failure: Failure) -> None:
        self._end(
            contract.Error(
                job=self.job, code=failure.code, say=failure.say, detail=failure.detail, retryable=failure.retryable
            )
        )

    def _due(self, kind: str) -> bool:
        now = time.monotonic()
        if now - self._last.get(kind, -MIN_INTERVAL) < MIN_INTERVAL:
            return False
        self._last[kind] = now
        return True

    def _send(self, event: BaseModel) -> None:
        with self._lock:
            if not self._ended:
                self._emit(event)

    def _end(self, event: BaseModel) -> None:
        with self._lock:
            if not self._ended:
                self._ended = True
                self._emit(event)
