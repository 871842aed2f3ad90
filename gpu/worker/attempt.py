"""One try at one job: from the claim to its end, or back into the line."""

from __future__ import annotations

import shutil
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.utils.translation import gettext as _
from pydantic import BaseModel

from config.kit.errors import Refusal
from gpu import kinds, lifecycle, live
from gpu.engine import contract
from gpu.engine_process import EngineGone, EngineProcess
from gpu.models import Job, Worker
from gpu.worker.folders import attempt_folder, tidy
from gpu.worker.pulse import Pulse

log = structlog.get_logger(__name__)

TICK = 0.1  # seconds between two looks at wishes while the engine says nothing
REPORT_EVERY = 0.5  # seconds between two progress writes: the page shows four a second at most
CANCEL_SECONDS = 15.0  # an engine that does not let go of a cancelled job in this time is ended
LONGEST_PHASE = 30  # characters
DATABASE_PATIENCE = 60.0  # how long an ending waits for a database that is away


class Lost(Exception):
    """The claim is over: the job is somebody else's."""


class Attempt:
    """`leaving` is set when this worker is to go; the run then has `grace` seconds to save itself."""

    def __init__(
        self, *, engine: EngineProcess, worker: Worker, job: Job, leaving: threading.Event, grace: float
    ) -> None:
        self._engine, self._worker, self._job = engine, worker, job
        self._leaving, self._grace = leaving, grace
        self._name = str(job.public_id)
        self._progress: dict[str, Any] = {}
        self._reported = 0.0
        self._told: set[type[BaseModel]] = set()
        self._deadline: float | None = None
        self._engine_is_done = False

    def run(self) -> None:
        """Leaves the job in its next state, and the engine free or dead."""
        folder = attempt_folder(self._job)
        try:
            with Pulse(self._worker, self._job) as self._pulse:
                self._try(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            tidy(folder.parent)

    def _try(self, folder: Any) -> None:
        try:
            spec = kinds.get(self._job.kind).build_spec(self._job, folder)
        except Refusal as refusal:
            self._fail(code=refusal.code, say=refusal.say, retryable=False)
            return
        except Exception:  # noqa: BLE001 - whatever a kind raises is this job's trouble, not the worker's
            self._fail(
                code="not_prepared",
                say=_("This could not be prepared, and cost nothing. We have been told; please try again later."),
                detail=traceback.format_exc(),
            )
            return
        try:
            self._engine.send(contract.Run(job=self._name, spec=spec))
            self._pump()
        except EngineGone as gone:
            log.warning("engine_lost", job=self._name, why=str(gone).partition("\n")[0])
            self._after_engine(str(gone))
        except Lost:
            log.warning("job_lost", job=self._name, fence=self._job.fence)
            self._let_go()
        except Exception:  # noqa: BLE001 - what was made could not be kept; the engine goes on with the next job
            self._let_go()
            self._fail(
                code="not_kept",
                say=_("The result could not be stored, and cost nothing. Please try again later."),
                detail=traceback.format_exc(),
            )

    # --- while it runs ---

    def _pump(self) -> None:
        """Events in, wishes out, until the job's last event."""
        while True:
            self._pass_on_wishes()
            self._report()
            event = self._engine.next(TICK)
            if event is None or getattr(event, "job", None) != self._name:
                continue  # nothing, or the last words of an earlier job
            self._engine_is_done = isinstance(event, contract.Done | contract.Error)
            match event:
                case contract.Phase():
                    self._progress["phase"] = event.phase[:LONGEST_PHASE]
                case contract.Progress():
                    self._progress |= {"fraction": event.fraction, "step": event.step, "steps": event.steps}
                    self._progress["eta_seconds"] = event.eta_seconds
                case contract.Preview():
                    live.preview(self._job, event.step, event.webp)
                case contract.Planned():
                    self._keep(lifecycle.planned, plan=event)
                case contract.Adapted():
                    self._keep(lifecycle.adapted, notice=event)
                case contract.Done():
                    self._done(event)
                    return
                case contract.Error():
                    self._fail(code=event.code, say=event.say, detail=event.detail, retryable=event.retryable)
                    return
                case _:
                    self._keep(lifecycle.deliver, event=event)

    def _keep(self, verb: Callable[..., bool], **event: contract.Event) -> None:
        """Pass an event on that must not be lost. Raises Lost if it is refused."""
        if not self._surely(verb, **event):
            raise Lost

    def _report(self) -> None:
        """Progress, the latest only, at most twice a second. It may be lost."""
        now = time.monotonic()
        if not self._progress or now - self._reported < REPORT_EVERY:
            return
        given, self._progress, self._reported = self._progress, {}, now
        try:
            lifecycle.report(job_id=self._job.pk, fence=self._job.fence, **given)
        except (OperationalError, InterfaceError) as error:
            log.warning("progress_not_written", job=self._name, error=str(error))
            connection.close()

    def _pass_on_wishes(self) -> None:
        wishes = self._pulse.signals
        if wishes.lost:
            raise Lost
        if wishes.cancel and self._tell(contract.Cancel(job=self._name)):
            self._deadline = time.monotonic() + CANCEL_SECONDS
        if wishes.stop:
            self._tell(contract.Stop(job=self._name))
        if wishes.yield_ or self._leaving.is_set():
            self._tell(contract.Yield(job=self._name))
        if self._leaving.is_set():
            self._deadline = min(self._deadline or float("inf"), time.monotonic() + self._grace)
        if self._deadline and time.monotonic() > self._deadline:
            self._engine.kill()
            raise EngineGone("it was ended: it did not let go of the job in time")

    def _tell(self, command: contract.Cancel | contract.Stop | contract.Yield) -> bool:
        """Each wish once."""
        if type(command) in self._told:
            return False
        self._told.add(type(command))
        self._engine.send(command)
        return True

    # --- how it ends ---

    def _done(self, done: contract.Done) -> None:
        if done.outcome == "cancelled":
            self._surely(lifecycle.cancelled)
        elif done.outcome == "yielded":
            self._surely(lifecycle.give_back)
        else:
            self._surely(lifecycle.succeed, done=done)

    def _after_engine(self, why: str) -> None:
        """The engine is gone. Where we ended it ourselves, that is no attempt."""
        if self._leaving.is_set():
            self._surely(lifecycle.give_back)
        elif self._pulse.signals.cancel:
            self._surely(lifecycle.cancelled)
        else:
            self._surely(lifecycle.lose, detail=why)

    def _fail(self, *, code: str, say: str, detail: str = "", retryable: bool = True) -> None:
        log.warning("job_failed", job=self._name, code=code, detail=detail[-2000:])
        self._surely(lifecycle.fail, code=code, say=say, detail=detail, retryable=retryable)

    def _let_go(self) -> None:
        """Make the engine free for the next job, whatever it takes."""
        self._engine.send(contract.Cancel(job=self._name))
        until = time.monotonic() + CANCEL_SECONDS
        try:
            while not self._engine_is_done and time.monotonic() < until:
                event = self._engine.next(TICK)
                self._engine_is_done = isinstance(event, contract.Done | contract.Error) and event.job == self._name
        except EngineGone as gone:
            log.warning("engine_lost", why=str(gone).partition("\n")[0])
        if not self._engine_is_done:
            self._engine.kill()

    def _surely(self, verb: Callable[..., bool], **arguments: Any) -> bool:
        """Call a verb of the lifecycle; a database that is away is waited for, as long as that makes sense."""
        until = time.monotonic() + DATABASE_PATIENCE
        while True:
            try:
                return verb(job_id=self._job.pk, fence=self._job.fence, **arguments)
            except (OperationalError, InterfaceError) as error:
                if time.monotonic() > until:
                    raise
                connection.close()  # a broken one would stay broken
                log.warning("database_away", job=self._name, error=str(error))
                time.sleep(1)
