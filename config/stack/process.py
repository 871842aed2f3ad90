"""Starting a program so that it cannot outlive its stack, and finding what a killed stack left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from config.stack.state import ROOT, State

MARK = "ARTISTCLONER_STACK"  # every process below a supervisor carries its stack's name in the environment
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """How to run one program of the stack."""

    name: str
    title: str  # as a person would call it: "the GPU worker"
    argv: list[str]
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    stdin: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 4.0  # seconds it may take to leave
    nice: int = 0
    echo_warnings: bool = True


class Child:
    """A running program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        with program.log.open("ab") as log:
            self.process = subprocess.Popen(
                program.argv,
                cwd=ROOT,
                env={**os.environ, **program.env},
                stdin=subprocess.PIPE if program.stdin else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: _before(program),
            )
        if self.process.stdin is not None:
            self.process.stdin.write(program.stdin.encode())
            self.process.stdin.close()
        self.started = time.monotonic()
        self.created = created_at(self.process.pid)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask_to_stop(self) -> None:
        if self.alive:
            self.process.send_signal(self.program.stop_signal)

    def kill(self) -> None:
        """End the program with its process group; what left the group is a descendant of ours (`end_descendants`)."""
        if self.alive:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def obituary(self) -> str:
        code = self.process.returncode
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"


def _before(program: Program) -> None:
    os.nice(program.nice)
    die_with_parent(program.stop_signal)


def die_with_parent(sign: signal.Signals) -> None:
    """Ask the kernel for `sign` when the starting process dies, even by SIGKILL (Linux)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(sign), 0, 0, 0)


def adopt_orphans() -> None:
    """Whatever a dead child leaves behind becomes ours, so that nothing escapes (Linux)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def created_at(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def record(state: State, children: list[Child]) -> None:
    """Note who runs, with the moment each was made: a process id alone may belong to someone else tomorrow."""
    rows = [
        {"name": c.program.name, "pid": c.process.pid, "created": c.created, "signal": int(c.program.stop_signal)}
        for c in children
    ]
    state.write_json("processes.json", {"processes": rows})


def end_leftovers(state: State) -> int:
    """End what a killed run of this STATE_DIR left behind, and nothing else. Returns how many processes that were."""
    found: dict[int, tuple[psutil.Process, int]] = {}
    for row in state.read_json("processes.json").get("processes", []):
        try:
            process = psutil.Process(row["pid"])
            if abs(process.create_time() - row["created"]) < 2:
                found[process.pid] = (process, row["signal"])
        except psutil.Error:
            continue
    mark = state.secret("stack")
    for process in psutil.process_iter():
        try:
            if process.pid not in found and process.environ().get(MARK) == mark:
                found[process.pid] = (process, signal.SIGTERM)
        except (psutil.Error, OSError):
            continue
    for process, sign in found.values():
        _send(process, sign)
    _, stubborn = psutil.wait_procs([process for process, _ in found.values()], timeout=5)
    for process in stubborn:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=5)
    (state.root / "processes.json").unlink(missing_ok=True)
    return len(found)


def end_descendants() -> None:
    """Kill every process below this one."""
    below = psutil.Process().children(recursive=True)
    for process in below:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(below, timeout=2)


def orphans(own: set[int]) -> list[psutil.Process]:
    """Processes beside our `own` that a dead child left to us; the finished ones are reaped on the way."""
    waiting = []
    for process in psutil.Process().children():
        if process.pid in own:
            continue
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)
            else:
                waiting.append(process)
        except (psutil.Error, ChildProcessError):
            continue
    return waiting


def _send(process: psutil.Process, sign: int) -> None:
    try:
        process.send_signal(sign)
    except psutil.Error:
        return
