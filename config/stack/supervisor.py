"""Keeps programs running, tells what happens to them, and ends every one of them in time."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

import psutil

from config.stack import process
from config.stack.logs import Logs
from config.stack.process import Child, Program
from config.stack.state import ROOT, State, Trouble

_TICK = 0.2  # seconds; children's deaths and signals wake the loop at once
_HOUSEKEEPING = 5.0
_ORPHAN_GRACE = 20.0  # an engine whose worker died saves what it has and leaves by itself
_ATTENDED_GRACE = 5.0
_SETTLED = 60.0  # seconds alive after which a program's earlier deaths are forgotten
_LONGEST_WAIT = 30.0
_DEATHS_BEFORE_READY = 3
_SAME_REQUEST = 1.0  # seconds: make passes on what its process group was sent as well


class Stopped(Exception):
    """The person or the machine asked the stack to end."""


@dataclass
class _Fallen:
    """A program that waits to be started again."""

    program: Program
    due: float


class Supervisor:
    """Use as a context: on the way out nothing that it started is left."""

    def __init__(self, state: State, say: Callable[[str], None]) -> None:
        self._state = state
        self._say = say
        self._children: list[Child] = []
        self._fallen: list[_Fallen] = []
        self._deaths: dict[str, int] = {}
        self._orphans: dict[int, float] = {}
        self._logs = Logs(say)
        self._asked_at: float | None = None
        self._impatient = False
        self._attended: subprocess.Popen[bytes] | None = None
        self._next_housekeeping = 0.0
        self._wake_read, self._wake_write = os.pipe()

    def __enter__(self) -> Supervisor:
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        self._previous_wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        handlers = {signal.SIGINT: self._on_signal, signal.SIGTERM: self._on_signal, signal.SIGCHLD: _only_wake}
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # started by nohup, it outlives its terminal
            handlers[signal.SIGHUP] = self._on_signal
        self._previous = {sign: signal.signal(sign, handler) for sign, handler in handlers.items()}
        process.adopt_orphans()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        signal.set_wakeup_fd(self._previous_wakeup)
        for sign, handler in self._previous.items():
            signal.signal(sign, handler)
        os.close(self._wake_read)
        os.close(self._wake_write)

    @property
    def asked_to_stop(self) -> bool:
        return self._asked_at is not None

    def start(self, program: Program) -> None:
        self._logs.follow(program)
        self._children.append(Child(program))
        self._record()

    def run_to_end(self, programs: Sequence[Program]) -> None:
        """Run programs that end by themselves, side by side; one that fails is trouble."""
        running = [Child(program) for program in programs]
        self._children += running
        self._record()
        self._loop_until(lambda: not any(child.alive for child in running), watched=running)
        for child in running:
            self._children.remove(child)
            if child.process.returncode:
                raise Trouble(f"{child.program.title} {child.obituary()}.\n{self._logs.end_of(child.program)}")
        self._record()

    def wait_for(self, what: Sequence[tuple[str, Callable[[], bool]]], *, seconds: float) -> None:
        """Keep watch until every named condition held once."""
        waiting = list(what)
        deadline = time.monotonic() + seconds

        def all_hold() -> bool:
            waiting[:] = [(title, holds) for title, holds in waiting if not holds()]
            if waiting and time.monotonic() > deadline:
                names = " and ".join(title for title, _ in waiting)
                raise Trouble(
                    f"{names} did not become ready within {seconds:.0f} seconds. Logs: {self._state.root}/log/"
                )
            for program in (f.program for f in self._fallen):
                if self._deaths[program.name] >= _DEATHS_BEFORE_READY:
                    raise Trouble(f"{program.title} cannot be kept running.\n{self._logs.end_of(program)}")
            return not waiting

        self._loop_until(all_hold)

    def attend(self, argv: list[str], env: dict[str, str]) -> int:
        """Run a command on this terminal and keep watch for it. Returns its exit status.

        Ctrl-C reaches the command by the terminal and means the command alone, which may well go on.
        """
        command = self._attended = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **env})
        try:
            self._loop_until(lambda: command.poll() is not None)
        except Stopped:
            command.terminate()
            with suppress(subprocess.TimeoutExpired):
                command.wait(timeout=_ATTENDED_GRACE)
        finally:
            command.kill()
            self._attended = None
        return command.wait()

    def watch(self) -> None:
        """Keep everything running until someone asks to stop."""
        with suppress(Stopped):
            self._loop_until(lambda: False)

    def stop(self, *, servers: Sequence[str] = ("postgres", "redis")) -> None:
        """Ask everything to leave, the servers last, and end what does not. A second Ctrl-C ends it at once."""
        self._fallen.clear()
        programs = [child for child in self._children if child.program.name not in servers]
        for group in (programs, [child for child in self._children if child not in programs]):
            for child in group:
                child.ask_to_stop()
            asked = time.monotonic()
            while any(child.alive for child in group) and not self._impatient:
                overdue = [c for c in group if c.alive and time.monotonic() - asked > c.program.grace]
                for child in overdue:
                    child.kill()
                self._sleep(_TICK)
                self._logs.echo()
            for child in group:
                child.kill()
        process.end_descendants()
        self._children.clear()
        with suppress(FileNotFoundError):
            (self._state.root / "processes.json").unlink()

    def _loop_until(self, done: Callable[[], bool], *, watched: Sequence[Child] = ()) -> None:
        while True:
            if self.asked_to_stop:
                raise Stopped
            self._bury(watched)
            self._revive()
            self._logs.echo()
            if time.monotonic() >= self._next_housekeeping:
                self._next_housekeeping = time.monotonic() + _HOUSEKEEPING
                self._end_orphans()
                self._logs.rotate()
            if done():
                return
            self._sleep(_TICK)

    def _bury(self, spared: Sequence[Child]) -> None:
        for child in [c for c in self._children if not c.alive and c not in spared]:
            self._children.remove(child)
            name = child.program.name
            settled = time.monotonic() - child.started > _SETTLED
            self._deaths[name] = 1 if settled else self._deaths.get(name, 0) + 1
            wait = min(2.0 ** (self._deaths[name] - 1), _LONGEST_WAIT)
            self._fallen.append(_Fallen(child.program, time.monotonic() + wait))
            self._say(
                f"{child.program.title} {child.obituary()}; it starts again in {wait:.0f} s. Log: {child.program.log}"
            )

    def _revive(self) -> None:
        for fallen in [f for f in self._fallen if f.due <= time.monotonic()]:
            self._fallen.remove(fallen)
            self.start(fallen.program)

    def _end_orphans(self) -> None:
        """What a dead child left behind may finish its last work, and no more than that."""
        own = {child.process.pid for child in self._children} | {self._attended.pid if self._attended else 0}
        found = process.orphans(own)
        now = time.monotonic()
        self._orphans = {p.pid: self._orphans.get(p.pid, now) for p in found}
        for orphan in found:
            if now - self._orphans[orphan.pid] > _ORPHAN_GRACE:
                with suppress(psutil.Error):
                    orphan.kill()

    def _record(self) -> None:
        process.record(self._state, self._children)

    def _sleep(self, seconds: float) -> None:
        select.select([self._wake_read], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _on_signal(self, sign: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._attended is not None and sign == signal.SIGINT:
            return
        if self._asked_at is None:
            self._asked_at = now
        elif sign == signal.SIGINT and now - self._asked_at > _SAME_REQUEST:
            self._impatient = True


def _only_wake(_signal: int, _frame: FrameType | None) -> None:
    """A child ended: the wake-up pipe has told the loop."""
