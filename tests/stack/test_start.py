"""What a person is told when `make run` cannot start, in a sentence and at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.stack.state import ROOT, State


def _run(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "STATE_DIR": str(tmp_path), "HOST": "", "PORT": "", **variables}
    argv = [sys.executable, "-m", "config.stack", "run"]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_a_taken_port_is_said_with_the_way_out(tmp_path: Path, taken_port: int) -> None:
    answer = _run(tmp_path, PORT=str(taken_port))
    assert answer.returncode == 1
    assert answer.stderr == (
        f"ArtistCloner: Port {taken_port} is taken by another program. "
        f"End that one, or choose another port: make run PORT={taken_port + 1}\n"
    )
    assert answer.stdout == ""


@pytest.mark.parametrize("port", ["eighty", "0", "70000", "-1", "8000.5"])
def test_a_port_that_is_none_is_said(tmp_path: Path, port: str) -> None:
    answer = _run(tmp_path, PORT=port)
    assert answer.returncode == 1
    assert answer.stderr == f"ArtistCloner: PORT is {port!r}; it must be a number from 1 to 65535.\n"


def test_a_host_that_does_not_exist_is_said(tmp_path: Path) -> None:
    answer = _run(tmp_path, HOST="no-such-host.invalid", PORT="8000")
    assert answer.returncode == 1
    assert "no-such-host.invalid" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = _run(tmp_path / "file" / "var")
    assert answer.returncode == 1
    assert "cannot be written (Not a directory)" in answer.stderr


def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    first = State(tmp_path)
    first.make()
    assert first.try_lock()
    first.write_json("stack.json", {"address": "http://localhost:8000", "env": {}})
    answer = _run(tmp_path)
    assert answer.returncode == 1
    assert answer.stderr.startswith("ArtistCloner: It is running already, at http://localhost:8000.")
    first.unlock()


def test_what_is_secret_is_its_owners_alone(tmp_path: Path) -> None:
    state = State(tmp_path / "var")
    state.make()
    key = state.secret_key_file()
    assert len(key.read_text().strip()) >= 50
    assert state.secret("redis") == state.secret("redis") != state.secret("postgres")
    for path in (key, state.root / "secrets.json"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert state.secret_key_file().read_text() == key.read_text()
