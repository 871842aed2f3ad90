"""The supervisor over trivial programs: it restarts what dies and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from config.stack.process import end_leftovers
from config.stack.state import ROOT, State
from tests.stack.running import processes_of

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a small stack in `tmp_path` and wait until it says that it is up."""
    started: list[subprocess.Popen[str]] = []

    def _start(*programs: str, expect: str = "up") -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "tests.stack.small_stack", str(tmp_path), *programs]
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # tests that were started by nohup would pass on that this signal is ignored
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        started.append(process)
        _read_until(process, expect)
        return process

    yield _start
    for process in started:
        process.kill()
        process.wait()
    if (tmp_path / "secrets.json").exists():
        end_leftovers(State(tmp_path))


def _read_until(process: subprocess.Popen[str], expected: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if expected in line:
            return said
    pytest.fail(f"{expected!r} was never said; instead:\n{said}")


def _pid_of(folder: Path, name: str) -> int:
    rows = State(folder).read_json("processes.json").get("processes", [])
    return next((int(row["pid"]) for row in rows if row["name"] == name), 0)


def _eventually(holds: Callable[[], bool], *, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_dead_program_is_started_again_and_its_death_told(start: Start, tmp_path: Path) -> None:
    stack = start("patient")
    first = _pid_of(tmp_path, "patient")
    os.kill(first, signal.SIGKILL)
    assert "was killed by SIGKILL" in _read_until(stack, "The patient one was killed")
    assert _eventually(lambda: _pid_of(tmp_path, "patient") not in (0, first))
    assert psutil.pid_exists(_pid_of(tmp_path, "patient"))


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_even_programs_that_do_not_listen(start: Start, tmp_path: Path, sign: signal.Signals) -> None:
    stack = start("patient", "stubborn", "parent")
    assert _eventually(lambda: len(processes_of(tmp_path)) == 5)  # three programs, one grandchild, the supervisor
    asked = time.monotonic()
    stack.send_signal(sign)
    stack.wait(timeout=15)
    assert time.monotonic() - asked < 10
    assert processes_of(tmp_path) == []
    assert not (tmp_path / "processes.json").exists()


def test_the_next_start_ends_what_a_killed_run_left(start: Start, tmp_path: Path) -> None:
    stack = start("stubborn", "parent")
    assert _eventually(lambda: len(processes_of(tmp_path)) == 4)
    stack.kill()
    stack.wait()
    assert _eventually(lambda: _pid_of(tmp_path, "stubborn") > 0)
    assert len(processes_of(tmp_path)) >= 2, "a program that ignores SIGTERM and its parent's death is still there"
    assert end_leftovers(State(tmp_path)) >= 2
    assert processes_of(tmp_path) == []


def test_a_reused_process_id_is_not_taken_for_ours(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.make()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        born = psutil.Process(stranger.pid).create_time()
        row = {"name": "web", "pid": stranger.pid, "created": born - 60, "signal": int(signal.SIGTERM)}
        state.write_json("processes.json", {"processes": [row]})
        assert end_leftovers(state) == 0
        assert stranger.poll() is None
        stranger.kill()


def test_a_program_that_never_starts_is_explained_by_its_own_last_words(start: Start) -> None:
    stack = start("broken", expect="The broken one cannot be kept running.")
    assert "the reason stands here" in _read_until(stack, "reason")
    assert stack.wait(timeout=10) == 1


def test_warnings_reach_the_terminal_and_chatter_does_not(start: Start) -> None:
    stack = start("worried", expect="worried | 12:00 WARNING paint: almost dry")  # it may come before all else
    stack.terminate()
    rest = stack.stdout.read() if stack.stdout else ""
    assert "all is well" not in rest


def test_the_log_of_a_long_run_is_cut_into_two_files(tmp_path: Path) -> None:
    from config.stack.logs import Logs
    from config.stack.process import Program

    told: list[str] = []
    program = Program("web", "The web server", ["true"], tmp_path / "web.log")
    logs = Logs(told.append)
    logs.follow(program)
    with program.log.open("a") as writer:
        writer.write(f"{'x' * 99}\n" * 120_000)
        writer.flush()
        logs.rotate()
        writer.write("ERROR after the cut\n")
    with suppress(StopIteration):
        logs.echo()
    assert program.log.stat().st_size < 100
    assert (tmp_path / "web.log.1").stat().st_size == 12_000_000
    assert told == ["     web | ERROR after the cut"]
