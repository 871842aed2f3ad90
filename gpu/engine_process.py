"""The engine, seen from the worker: a process of its own that may crash, hang or be killed without taking us along.

Commands go to its stdin and events come from its stdout, a JSON line each (`gpu.engine.contract`).
"""

from __future__ import annotations

import collections
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from django.conf import settings

from gpu.engine import contract

log = structlog.get_logger(__name__)

PING_EVERY = 5.0  # seconds
# No line at all for so long, not even the answer to a ping: it is stopped, swapped out or dead.
SILENCE_SECONDS = float(os.environ.get("ENGINE_SILENCE_SECONDS", "45"))
# It answers, but its job says nothing for so long: it hangs. Fetching a base from a hub may take this long.
STALL_SECONDS = float(os.environ.get("ENGINE_STALL_SECONDS", "1800"))
START_SECONDS = float(os.environ.get("ENGINE_START_SECONDS", "120"))  # from the start of the process to its hello
QUIT_SECONDS = 2.0  # to leave when asked to
LAST_WORDS = 40  # lines of stderr that staff get to see with a lost job


class EngineGone(Exception):
    """The engine ended, hung, or never began. The message and its last words are for staff."""


def engine_command() -> list[str]:
    """`python -m gpu.engine`, by `ENGINE_PYTHON` where torch lives in an environment of its own.

    `ENGINE_COMMAND` replaces the whole of it.
    """
    if command := os.environ.get("ENGINE_COMMAND"):
        return shlex.split(command)
    # warm: the first picture after a start should not wait for the base to be read
    return [settings.ENGINE_PYTHON or sys.executable, "-m", "gpu.engine", "--warm", settings.BASE_MODEL]


class EngineProcess:
    """One start of the engine. Used by one thread; three of its own listen, log and ping."""

    def __init__(self) -> None:
        command = engine_command()
        log.info("engine_starting", command=command[:3])
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(settings.BASE_DIR),
            start_new_session=True,  # a group of its own: it is killed with all its children, and Ctrl-C is not for it
            text=True,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
        )
        self.pid = self._process.pid
        self._events: queue.SimpleQueue[contract.Event | None] = queue.SimpleQueue()
        self._last_words: collections.deque[str] = collections.deque(maxlen=LAST_WORDS)
        self._writing = threading.Lock()
        self._heard = self._spoke = time.monotonic()  # any line; any line but the answer to a ping
        self._ended = threading.Event()
        self._readers = [self._background(self._listen), self._background(self._log)]
        self._background(self._ping)

    def hello(self) -> contract.Hello:
        """Wait until it is there. Raises EngineGone."""
        event = self.next(START_SECONDS, silence=START_SECONDS)
        if isinstance(event, contract.Hello):
            return event
        self.kill()
        raise EngineGone(event.say if isinstance(event, contract.Error) else "it did not say hello in time")

    def send(self, command: contract.Command) -> None:
        """A command for the engine. A dead one does not mind; the next `next` tells."""
        assert self._process.stdin
        if isinstance(command, contract.Run):
            self._spoke = self._heard = time.monotonic()
        try:
            with self._writing:
                self._process.stdin.write(contract.to_line(command))
                self._process.stdin.flush()
        except (OSError, ValueError):
            self._ended.set()

    def next(self, timeout: float, *, silence: float | None = None) -> contract.Event | None:
        """The next event, or None after `timeout` seconds. Raises EngineGone once it has ended or fallen silent."""
        try:
            event = self._events.get(timeout=timeout)
        except queue.Empty:
            now = time.monotonic()
            if now - self._heard > (silence or SILENCE_SECONDS):
                self.kill()
                raise EngineGone(self._obituary(f"no sign of life for {now - self._heard:.0f} s")) from None
            if now - self._spoke > STALL_SECONDS:
                self.kill()
                raise EngineGone(self._obituary(f"no progress for {now - self._spoke:.0f} s")) from None
            return None
        if event is None:
            self._events.put(None)  # it stays ended, for whoever asks again
            self.kill()
            raise EngineGone(self._obituary(f"it ended with status {self._process.returncode}"))
        return event

    @property
    def alive(self) -> bool:
        return self._process.poll() is None and not self._ended.is_set()

    def quit(self) -> None:
        """Ask it to leave, and see to it that it does."""
        self.send(contract.Quit())
        try:
            self._process.wait(QUIT_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("engine_did_not_leave", pid=self.pid)
        self.kill()

    def kill(self) -> None:
        """End it and its children now."""
        self._ended.set()
        kill_group(self.pid)
        self._process.wait()
        for reader in self._readers:  # its last words may still be on the way
            reader.join(1.0)

    def _obituary(self, cause: str) -> str:
        return "\n".join([cause, *self._last_words])

    # --- the threads ---

    def _background(self, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=target, name="engine", daemon=True)
        thread.start()
        return thread

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._heard = time.monotonic()
            try:
                event = contract.read_event(line)
            except contract.Malformed as error:
                log.warning("engine_line_not_understood", error=str(error), line=line[:200])
                continue
            if not isinstance(event, contract.Pong):
                self._spoke = self._heard
                self._events.put(event)
        self._process.wait()
        self._events.put(None)

    def _log(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self._last_words.append(line.rstrip())
            log.info("engine", line=line.rstrip()[:1000])

    def _ping(self) -> None:
        while not self._ended.wait(PING_EVERY):
            self.send(contract.Ping())


def kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        log.debug("engine_group_gone", pid=pid)
