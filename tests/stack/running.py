"""A whole stack for a test: `make run` with a folder, a port and servers of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from config.stack.process import MARK
from config.stack.servers import free_port
from config.stack.state import ROOT, State

START_WITHIN = 240.0  # seconds, on a bare machine that two test workers already keep busy
STOP_WITHIN = 10.0
_NOT_PASSED_ON = (
    "DATABASE_URL",
    "REDIS_URL",
    "DJANGO_SETTINGS_MODULE",
    "SECRET_KEY",
    "PUBLIC_URL",
    "GOOGLE_CLIENT_ID",
    "GOOGLE_CLIENT_SECRET",
    "DISCORD_CLIENT_ID",
    "DISCORD_CLIENT_SECRET",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "STRIPE",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "STRIPE_API_HOST",
)


@dataclass
class RunningStack:
    """A stack that answers at `url`."""

    url: str
    state_dir: Path
    process: subprocess.Popen[bytes]
    env: dict[str, str]

    def manage(self, *arguments: str) -> str:
        """Run a management command beside it; returns what it printed."""
        argv = ["python3", "config/stack/bootstrap.py", "manage", *arguments]
        answer = subprocess.run(argv, cwd=ROOT, env=self.env, capture_output=True, text=True)
        if answer.returncode:
            raise RuntimeError(
                f"{' '.join(arguments)}: exit status {answer.returncode}\n{answer.stdout}{answer.stderr}"
            )
        return answer.stdout

    def pid_of(self, name: str) -> int:
        """The process id of one of its programs: web, gpu, default, beat, postgres, redis."""
        rows = State(self.state_dir).read_json("processes.json").get("processes", [])
        return next(int(row["pid"]) for row in rows if row["name"] == name)

    @property
    def double_url(self) -> str:
        """Where the double of Stripe listens, in a stack started with `STRIPE="double"`."""
        return str(State(self.state_dir).read_json("stack.json")["env"]["STRIPE_API_HOST"])

    def double(self, command: str, **fields: Any) -> dict[str, Any]:
        """Tell the double something, as its control page would: `double("clock", days=31)` (docs/stripe-double.md)."""
        body, kind = json.dumps(fields).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.double_url}/double/{command}", data=body, headers=kind)
        with urllib.request.urlopen(request, timeout=30) as answer:
            answered: dict[str, Any] = json.loads(answer.read())
        return answered

    def log(self, name: str) -> str:
        return State(self.state_dir).log(name).read_text(errors="replace")

    def stop(self) -> float:
        """Ask it to stop as a service manager would; returns the seconds it took."""
        asked = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=STOP_WITHIN + 20)
        return time.monotonic() - asked


@contextmanager
def running_stack(state_dir: Path, *, seconds: float = START_WITHIN, **variables: str) -> Iterator[RunningStack]:
    """Start a stack, wait until it answers, and stop it afterwards. `variables` are settings: BASE_MODEL="…"."""
    port = free_port()
    state_dir.mkdir(parents=True, exist_ok=True)
    env = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    env |= {"STATE_DIR": str(state_dir), "PORT": str(port), "HOST": "localhost"}
    # the engines of two stacks would wait for each other, as they should on one GPU; here each draws on its own
    env |= {"ENGINE_LOCK_DIR": str(state_dir), **variables}
    output = state_dir / "terminal.txt"
    with output.open("ab") as terminal:
        process = subprocess.Popen(
            ["make", "run"], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=terminal, stderr=subprocess.STDOUT
        )
    stack = RunningStack(f"http://localhost:{port}", state_dir, process, env)
    try:
        _wait_until_ready(stack, output, seconds)
        yield stack
    finally:
        stack.stop()


def processes_of(state_dir: Path) -> list[psutil.Process]:
    """Every process that a stack with this folder has left, by the mark it gives them and by its data folder."""
    mark = json.loads((state_dir / "secrets.json").read_text())["stack"]
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark or str(state_dir) in " ".join(process.cmdline()):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _wait_until_ready(stack: RunningStack, output: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not _answers(stack.url):
        if stack.process.poll() is not None:
            raise RuntimeError(f"make run ended with exit status {stack.process.returncode}\n{output.read_text()}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"make run was not ready within {seconds:.0f} s\n{output.read_text()}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False
