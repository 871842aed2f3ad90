"""The engine as a process: commands in on stdin, events out on stdout, one job at a time.

A thread reads commands, so that the main thread, which runs the jobs, learns of a stop within one step. The process
leaves when stdin ends, when nothing was heard for the keep-alive time, or on SIGTERM, after it gave the running job a
moment to write its snapshot.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pydantic import BaseModel

from gpu.engine import contract, devices
from gpu.engine.contract import Outcome, Spec
from gpu.engine.failures import Failure, from_exception
from gpu.engine.memory.profiles import profile_of
from gpu.engine.report import Interrupted, Report

if TYPE_CHECKING:
    from gpu.engine.studio import Studio

KEEP_ALIVE = 45.0  # seconds without any command
GRACE = 10.0  # seconds for a running job to write its snapshot and end
NICENESS = 10  # on a CPU, where web and engine share the cores

_OUTCOMES: dict[str, Outcome] = {"stop": "stopped", "cancel": "cancelled", "yield": "yielded"}


def claim_stdout() -> IO[str]:
    """The stream for events. From here on whatever prints to stdout, in Python or below, reaches stderr instead."""
    sys.stdout.flush()
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return events


def prepare_process(device: str) -> None:
    """Before torch is imported: threads that sleep rather than spin, no telemetry, no progress bars."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    if device == "cpu" and os.nice(0) < NICENESS:
        os.nice(NICENESS - os.nice(0))
        _step_back_as_a_session()


def _step_back_as_a_session() -> None:
    """Linux divides the processor among sessions first; niceness counts only within one. So lower ours as a whole."""
    if os.getsid(0) != os.getpid():
        return  # a shell's session is not ours to slow down
    with contextlib.suppress(OSError):  # a kernel without autogroups has nothing to set
        Path("/proc/self/autogroup").write_text(str(NICENESS))


class Engine:
    """Owns the queue of jobs and the device. `emit` writes one event; it may be called from any thread."""

    def __init__(self, events: IO[str], device: str) -> None:
        self.device = device
        self.heard = time.monotonic()
        self._events = events
        self._writing = threading.Lock()
        self._jobs: queue.SimpleQueue[tuple[Report, Spec] | None] = queue.SimpleQueue()
        self._reports: dict[str, Report] = {}
        self._leaving = False
        self._studio: Studio | None = None

    # --- out ---

    def emit(self, event: BaseModel) -> None:
        try:
            with self._writing:
                self._events.write(contract.to_line(event))
                self._events.flush()
        except (BrokenPipeError, ValueError):  # nobody reads any more
            self.leave()

    def report_for(self, job: str) -> Report:
        return Report(job, self.emit, device="cpu" if self.device == "cpu" else "cuda")

    # --- in (the reading thread) ---

    def read(self, lines: IO[str]) -> None:
        for line in lines:
            self.heard = time.monotonic()
            if line.strip():
                self.obey(line)
        self.leave()

    def obey(self, line: str) -> None:
        try:
            command = contract.read_command(line)
        except contract.Malformed as error:
            self.emit(
                contract.Error(
                    job=_job_of(line),
                    code="bad_spec",
                    say=f"The engine did not understand a command: {error}.",
                    detail=line[:500],
                    retryable=False,
                )
            )
            return
        if isinstance(command, contract.Run):
            report = self.report_for(command.job)
            self._reports[command.job] = report
            self._jobs.put((report, command.spec))
        elif isinstance(command, contract.Ping):
            self.emit(contract.Pong())
        elif isinstance(command, contract.Quit):
            self.leave()
        elif running := self._reports.get(command.job):
            running.ask(_OUTCOMES[command.command])

    def leave(self) -> None:
        """Ends the process soon: the running job yields, the queued ones do not start."""
        if self._leaving:
            return
        self._leaving = True
        for report in list(self._reports.values()):
            report.ask("yielded")
        self._jobs.put(None)
        timer = threading.Timer(GRACE, os._exit, args=(1,))
        timer.daemon = True
        timer.start()

    def watch(self, keep_alive: float) -> None:
        while not self._leaving:
            time.sleep(min(1.0, keep_alive / 4))
            if time.monotonic() - self.heard > keep_alive:
                print("engine: no command for too long, leaving", file=sys.stderr)  # noqa: T201
                self.leave()

    # --- jobs (the main thread) ---

    def work(self, warm: str = "") -> None:
        if warm:
            self._warm_up(warm)
        while (job := self._jobs.get()) is not None:
            report, spec = job
            self.run(report, spec)
            self._reports.pop(report.job, None)

    def run(self, report: Report, spec: Spec) -> None:
        """One job, to its one last event. Nothing that happens in it ends the engine."""
        try:
            report.begin()
            self._own_studio(report).run(spec, report)
            report.done("finished", peak_bytes=devices.peak_bytes(self.device))
        except Interrupted as interruption:
            report.done(interruption.outcome, peak_bytes=devices.peak_bytes(self.device))
        except Exception as error:  # noqa: BLE001  whatever a job raises is the job's end, not the engine's
            if not isinstance(error, Failure):
                traceback.print_exc(file=sys.stderr)
            report.fail(from_exception(error))

    def _own_studio(self, report: Report) -> Studio:
        if self._studio is None:
            with report.loading():
                self._studio = _import_studio()(self.device)
        return self._studio

    def _warm_up(self, base: str) -> None:
        """Loads a base before the first job asks for it. A failure waits for that job to tell it."""
        try:
            self._studio = _import_studio()(self.device)
            self._studio.warm_up(base)
        except Exception as error:  # noqa: BLE001
            print(f"engine: could not warm up {base}: {error}", file=sys.stderr)  # noqa: T201


def _import_studio() -> type[Studio]:
    from gpu.engine.studio import Studio

    return Studio


def _job_of(line: str) -> str:
    """The job a malformed command was about, if it says so."""
    try:
        job = json.loads(line)["job"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return job if isinstance(job, str) else ""


def serve(*, warm: str = "") -> int:
    """`python -m gpu.engine`: works until told to leave. Returns the exit code."""
    events = claim_stdout()
    device = devices.pick_device()
    prepare_process(device)
    lock = devices.lock_device(device, wait=float(os.environ.get("ENGINE_LOCK_WAIT", devices.LOCK_WAIT)))
    if lock is None:
        say = f"Another engine is working on {device}. Stop it, or set ENGINE_LOCK_DIR if it is meant to share."
        events.write(contract.to_line(contract.Error(job="", code="device_busy", say=say)))
        return 3
    engine = Engine(events, device)
    _on_signal(engine.leave)
    total = devices.memory_bytes(device)
    try:
        profile = profile_of(device, memory=total)
    except Failure as failure:  # a setting that nobody can work with: better said now than by every job
        engine.emit(contract.Error(job="", code=failure.code, say=failure.say, retryable=False))
        return 4
    engine.emit(contract.Hello(device=device, memory_bytes=total, profile=profile.name, budget_bytes=profile.budget))
    keep_alive = float(os.environ.get("ENGINE_KEEP_ALIVE", KEEP_ALIVE))
    commands = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115  read to the process's end
    _background(lambda: engine.read(commands))
    _background(lambda: engine.watch(keep_alive))
    engine.work(warm)
    events.flush()
    return 0


def run_file(path: Path) -> int:
    """`python -m gpu.engine run spec.json`: one job from a terminal, events on stdout. Ctrl-C snapshots and ends."""
    events = claim_stdout()
    device = devices.pick_device()
    prepare_process(device)
    engine = Engine(events, device)
    try:
        command = contract.read_command(
            json.dumps({"command": "run", "job": path.stem, "spec": json.loads(path.read_text())})
        )
    except (OSError, ValueError) as error:
        events.write(contract.to_line(contract.Error(job=path.stem, code="bad_spec", say=str(error), retryable=False)))
        return 2
    assert isinstance(command, contract.Run)
    report = engine.report_for(command.job)
    _on_signal(lambda: report.ask("yielded"))
    engine.run(report, command.spec)
    return 0 if report.outcome in ("finished", "stopped", "yielded") else 1


def _on_signal(leave: Callable[[], None]) -> None:
    """SIGTERM and SIGINT, in a thread of its own: a handler runs amid whatever the main thread does, locks held."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _background(leave))


def _background(target: Callable[[], None]) -> None:
    threading.Thread(target=target, daemon=True).start()
