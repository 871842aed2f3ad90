"""A process that dies in the middle of what it does in the database."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from typing import Any

from django.db import connection, connections

PATIENCE = 20.0  # seconds for PostgreSQL to notice that a client is gone


class Guillotine:
    """Kills its process before the n-th statement; the moments before and after a commit count as well."""

    def __init__(self, before: int) -> None:
        self.left = before

    def tick(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self.tick()
        return execute(sql, params, many, context)

    def watch_commits(self) -> None:
        commit = connection._commit

        def commit_and_tick() -> None:
            self.tick()
            commit()
            self.tick()

        connection._commit = commit_and_tick


def killed(act: Callable[[], object], *, before: int) -> bool:
    """Do `act` in a process of its own that is killed before its n-th statement; whether it came so far.

    The process is a fork of this one: it knows the same and has connections of its own.
    """
    connections.close_all()
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        _live_and_die(act, Guillotine(before), writes)
    os.close(writes)
    backend = os.read(reads, 20).decode()
    os.close(reads)
    _pid, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), "it failed by itself; see its output"
    _wait_until_forgotten(backend)
    return code != 0


def _live_and_die(act: Callable[[], object], guillotine: Guillotine, tell: int) -> None:
    try:
        connection.ensure_connection()
        os.write(tell, str(connection.connection.info.backend_pid).encode())
        guillotine.watch_commits()
        with connection.execute_wrapper(guillotine):
            act()
    except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as a second pytest
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _wait_until_forgotten(backend: str) -> None:
    """PostgreSQL rolls back what the dead one had begun as soon as it sees that nobody is there."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from pg_stat_activity where pid = %s", [int(backend)])
            if cursor.fetchone() == (0,):
                return
        time.sleep(0.002)
    raise AssertionError("the connection of a dead process is still there")
