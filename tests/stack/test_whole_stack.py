"""`make run` as a newcomer and a self-hoster meet it: up, killed, up again in seconds, and gone when asked."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from tests.stack.running import STOP_WITHIN, RunningStack, processes_of, running_stack

PROGRAMS = ("postgres", "redis", "web", "gpu", "default", "beat")
# twelve seconds on two free cores, which `make bench` measures; the tests beside this one take their share
SECOND_START = 60.0


def _kill_like_a_crash(stack: RunningStack) -> None:
    supervisor = psutil.Process(stack.pid_of("web")).parent()
    assert supervisor is not None
    supervisor.kill()
    stack.process.wait(timeout=10)


def _status(url: str, host: str = "") -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host} if host else {})) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_whole_stack_survives_its_murder_and_leaves_when_asked(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with running_stack(folder) as stack:
        assert _status(f"{stack.url}/") == 200
        assert _status(f"{stack.url}/", host="elsewhere.example") == 400
        assert _status(f"{stack.url}/no-such-page") == 404
        assert all(psutil.pid_exists(stack.pid_of(name)) for name in PROGRAMS)
        before = stack.manage("shell", "-v0", "-c", "from django.conf import settings; print(settings.SECRET_KEY)")
        web = stack.pid_of("web")
        os.kill(web, signal.SIGKILL)
        _wait_for_another(stack, "web", web)
        _kill_like_a_crash(stack)

    with running_stack(folder, seconds=SECOND_START) as stack:
        assert "what it left behind is cleaned up" in (folder / "terminal.txt").read_text()
        after = stack.manage("shell", "-v0", "-c", "from django.conf import settings; print(settings.SECRET_KEY)")
        assert after == before, "sessions outlive a restart"
        assert stack.stop() < STOP_WITHIN
        assert stack.process.returncode is not None
    assert processes_of(folder) == []


def _wait_for_another(stack: RunningStack, name: str, old: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if stack.pid_of(name) != old and _status(f"{stack.url}/readyz") == 200:
                return
        except (StopIteration, OSError):
            pass
        assert time.monotonic() < deadline, f"{name} was not started again"
        time.sleep(0.1)
