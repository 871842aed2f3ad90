"""`make manage`: a management command beside a running stack, or with servers of its own for as long as it takes."""

from __future__ import annotations

import os
import sys

from config.stack import process, programs
from config.stack.address import Address
from config.stack.run import prepare, start_servers, take
from config.stack.state import ROOT, State
from config.stack.supervisor import Supervisor


def manage(arguments: list[str]) -> int:
    """Run `manage.py` with these arguments; its output is the only thing on stdout."""
    state, address = State.from_environment(), Address.from_environment()
    state.make()
    command = [sys.executable, "manage.py", *(arguments or ["help"])]
    running = take(state)
    os.chdir(ROOT)
    if running:
        os.execve(sys.executable, command, {**os.environ, **running["env"]})
    process.end_leftovers(state)
    with Supervisor(state, tell) as supervisor:
        env = start_servers(supervisor, state, address)
        steps = programs.preparations(state, env, embedded_database=not os.environ.get("DATABASE_URL"))
        prepare(supervisor, state, [step for step in steps if step.needs_database])
        return supervisor.attend(command, env)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
