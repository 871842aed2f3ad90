"""The programs of the product and the environment they share."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from config.stack.address import Address
from config.stack.bootstrap import has_nvidia_gpu
from config.stack.process import MARK, Program
from config.stack.state import ROOT, State

_GPU_GRACE = 8.5  # seconds: the worker tells its engine to save and leave
_BEHIND_THE_PAGES = 5  # niceness: whoever waits for a page goes first, at the start as well
_QUIET_CELERY = ["--without-gossip", "--without-mingle", "--loglevel=INFO"]


def environment(state: State, address: Address, *, database_url: str, redis_url: str) -> dict[str, str]:
    """What every program and management command of this stack is given."""
    # one engine a GPU on the whole machine; a CPU can be shared, so there the lock is the stack's own
    lock = {} if has_nvidia_gpu() or os.environ.get("ENGINE_LOCK_DIR") else {"ENGINE_LOCK_DIR": str(state.root)}
    own_key = {} if os.environ.get("SECRET_KEY") else {"SECRET_KEY_FILE": str(state.secret_key_file())}
    return {
        **own_key,
        **lock,
        "STATE_DIR": str(state.root),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PUBLIC_URL": address.public_url,
        "ALLOWED_HOSTS": address.allowed_hosts(),
        "HOST": address.host,
        "PORT": str(address.port),
        "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE") or "config.settings.local",
    }


def site(state: State, address: Address, env: dict[str, str]) -> list[Program]:
    """The web server, a worker for each queue, and the clock."""
    env = {**env, MARK: state.secret("stack"), "PYTHONUNBUFFERED": "1"}

    def program(name: str, title: str, *arguments: str, grace: float = 4.0) -> Program:
        argv = [sys.executable, "-m", *arguments]
        nice = 0 if name == "web" else _BEHIND_THE_PAGES
        return Program(name=name, title=title, argv=argv, log=state.log(name), env=env, grace=grace, nice=nice)

    def worker(queue: str) -> list[str]:
        # threads: the engine is a process of its own, and the parent's death must reach the worker at once
        queues = ["-Q", queue, "-n", f"{queue}@%h", "--pool=threads", "--concurrency=1"]
        return ["celery", "-A", "config.celery", "worker", *queues, *_QUIET_CELERY]

    web = ["daphne", "-b", address.bind, "-p", str(address.port), "config.asgi:application"]
    schedule = str(state.root / "beat-schedule")
    return [
        program("web", "The web server", *web),
        program("gpu", "The GPU worker", *worker("gpu"), grace=_GPU_GRACE),
        program("default", "The default worker", *worker("default")),
        program("beat", "The clock", "celery", "-A", "config.celery", "beat", "--pidfile=", "--schedule", schedule),
    ]


@dataclass(frozen=True)
class Step:
    """Something to do before the site can start; left out while its stamp, a hash of what it reads, stays the same."""

    program: Program
    stamp: str
    needs_database: bool


def preparations(state: State, env: dict[str, str], *, embedded_database: bool) -> list[Step]:
    """The steps that this start cannot leave out. A database that is not ours may be another one by now."""
    requirements = ROOT / "requirements.txt"
    migrations = _hash([requirements, *ROOT.glob("*/migrations/*.py"), *ROOT.glob("config/**/migrations/*.py")])
    static = _hash([requirements, ROOT / "config/kit/staticfiles.py", *(ROOT / "static").rglob("*")])
    done = state.read_json("prepared.json")
    env = {**env, MARK: state.secret("stack")}

    def step(name: str, title: str, stamp: str, *options: str, needs_database: bool) -> Step:
        argv = [sys.executable, "manage.py", name, "--noinput", *options]
        return Step(Program(name, title, argv, state.log(name), env), stamp, needs_database)

    steps = [
        step("migrate", "Preparing the database", migrations, needs_database=True),
        step("collectstatic", "Collecting the static files", static, "-v0", needs_database=False),
    ]
    known = [s for s in steps if done.get(s.program.name) == s.stamp and (embedded_database or not s.needs_database)]
    return [s for s in steps if s not in known]


def note_prepared(state: State, steps: Iterable[Step]) -> None:
    """Remember what was done, for the next start."""
    done = state.read_json("prepared.json")
    state.write_json("prepared.json", {**done, **{step.program.name: step.stamp for step in steps}})


def _hash(paths: Iterable[Path]) -> str:
    """One hash over the paths, sizes and times of the files: reading them all would cost more than the step saves."""
    digest = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file()):
        facts = path.stat()
        digest.update(f"{path}:{facts.st_size}:{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()
