"""`make test`: pytest on a PostgreSQL and a Redis of its own, gone afterwards."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from config.stack.address import Address
from config.stack.command import tell
from config.stack.run import start_servers
from config.stack.state import State
from config.stack.supervisor import Supervisor

_INTERRUPTED = 2  # pytest's exit status after Ctrl-C
_OF_THE_OUTSIDE = (
    "DATABASE_URL", "REDIS_URL", "STATE_DIR", "HOST", "PORT", "PUBLIC_URL", "ALLOWED_HOSTS", "MAKEFLAGS", "MAKELEVEL",
    "STRIPE", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_HOST", "STRIPE_TAX", "BILLING",
)  # fmt: skip


def test(arguments: list[str]) -> int:
    """Run pytest with these arguments, or everything that belongs to a change. Returns the exit status."""
    for name in _OF_THE_OUTSIDE:  # the tests' servers are their own, whatever the shell says
        os.environ.pop(name, None)
    folder = Path(tempfile.mkdtemp(prefix="artistcloner-test-"))
    try:
        state = State(folder)
        state.make()
        (folder / "tmp").mkdir()
        with Supervisor(state, tell) as supervisor:
            env = start_servers(supervisor, state, Address.from_environment(), throwaway=True)
            env |= {"DJANGO_SETTINGS_MODULE": "config.settings.test", "TMPDIR": str(folder / "tmp")}
            del env["STATE_DIR"]
            return _run_selections(supervisor, [arguments] if arguments else everything(), env)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def everything() -> list[list[str]]:
    """Side by side what can be; then the browser, which drives a whole stack and wants the machine for itself."""
    workers = str(max(2, min(os.cpu_count() or 2, 6)))
    return [["-n", workers, "-m", "not browser and not long"], ["-m", "browser and not long"]]


def _run_selections(supervisor: Supervisor, selections: list[list[str]], env: dict[str, str]) -> int:
    verdict = 0
    for selection in selections:
        status = supervisor.attend([sys.executable, "-m", "pytest", *selection], env)
        verdict = verdict or status
        if status == _INTERRUPTED or status < 0:
            break
    return verdict
