"""A supervisor over trivial programs: `python -m tests.stack.small_stack FOLDER PROGRAM…` (see PROGRAMS)."""

from __future__ import annotations

import sys
from pathlib import Path

from config.stack.process import MARK, Program
from config.stack.run import say, take
from config.stack.state import State, Trouble
from config.stack.supervisor import Supervisor

_STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
PROGRAMS = {
    "patient": "import time; time.sleep(600)",
    "stubborn": _STUBBORN,
    "parent": f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {_STUBBORN!r}], "
    "start_new_session=True); time.sleep(600)",
    "broken": "import sys; sys.exit('the reason stands here')",
    "worried": "import time; print('12:00 WARNING paint: almost dry', flush=True); print('12:00 INFO all is well'); "
    "time.sleep(600)",
}


def main(folder: str, *names: str) -> None:
    state = State(Path(folder))
    state.make()
    take(state)
    with Supervisor(state, say) as supervisor:
        for name in names:
            env = {MARK: state.secret("stack")}
            argv = [sys.executable, "-c", PROGRAMS[name]]
            supervisor.start(Program(name, f"The {name} one", argv, state.log(name), env, grace=1.0))
        state.write_json("stack.json", {"address": "http://localhost:1", "env": {}})
        supervisor.wait_for([("Everything", lambda: "broken" not in names)], seconds=20)
        say("up")
        supervisor.watch()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Trouble as trouble:
        sys.exit(str(trouble))
