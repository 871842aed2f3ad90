"""The engine as a process of its own: what the worker sees of it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpu.engine import contract
from tests.engine.makers import picture_spec, training_spec

ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds: beside other work, importing torch and diffusers alone may take a minute


class Process:
    """`python -m gpu.engine`, with its events in a queue."""

    def __init__(self, locks: Path, *arguments: str, **environment: str) -> None:
        self.pipe = subprocess.Popen(
            [sys.executable, "-m", "gpu.engine", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                **os.environ,
                "ENGINE_LOCK_DIR": str(locks),
                "ENGINE_DEVICE": "cpu",
                "OMP_NUM_THREADS": "1",
                "ENGINE_KEEP_ALIVE": "3600",  # nobody pings it here
                **environment,
            },
            text=True,
        )
        self.events: queue.Queue[Any] = queue.Queue()
        self.stderr: list[str] = []
        for target in (self._read_events, self._read_errors):
            threading.Thread(target=target, daemon=True).start()

    def _read_events(self) -> None:
        assert self.pipe.stdout
        for line in self.pipe.stdout:
            self.events.put(contract.read_event(line))  # a stray print on stdout would not parse

    def _read_errors(self) -> None:
        assert self.pipe.stderr
        self.stderr.extend(self.pipe.stderr)

    def say(self, command: Any) -> None:
        self.write(command if isinstance(command, str) else contract.to_line(command))

    def write(self, text: str) -> None:
        assert self.pipe.stdin
        self.pipe.stdin.write(text)
        self.pipe.stdin.flush()

    def wait_for(self, kind: str, job: str = "") -> Any:
        """The next event of a kind (and job). Everything before it is dropped."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            event = self.events.get(timeout=max(0.1, deadline - time.monotonic()))
            if event.event == kind and job in ("", getattr(event, "job", "")):
                return event
        raise AssertionError(f"no {kind} event")

    def all_until_end(self, job: str) -> list[Any]:
        seen = []
        while not seen or seen[-1].event not in ("done", "error") or seen[-1].job != job:
            seen.append(self.events.get(timeout=PATIENCE))
        return seen

    def close(self) -> int:
        if self.pipe.stdin and not self.pipe.stdin.closed:
            self.pipe.stdin.close()
        try:
            return self.pipe.wait(timeout=PATIENCE)
        finally:
            self.pipe.kill()


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Iterator[Process]:
    """One warm engine for every test that runs jobs. It must outlive all of them."""
    process = Process(tmp_path_factory.mktemp("locks"), "--warm", str(tiny_base))
    yield process
    assert process.pipe.poll() is None, "the engine died"
    assert process.close() == 0


@pytest.fixture
def idle(locks: Path) -> Iterator[Process]:
    """An engine that gets no job, and hence never imports torch."""
    process = Process(locks)
    assert process.wait_for("hello").protocol == contract.PROTOCOL
    yield process
    process.close()


# --- coming and going ---------------------------------------------------------------------------------------------


def test_it_greets_with_its_device_within_five_seconds(locks: Path) -> None:
    started = time.monotonic()
    process = Process(locks)
    hello = process.wait_for("hello")
    assert time.monotonic() - started < 5
    assert hello.device == "cpu"
    assert hello.memory_bytes > 2**28
    assert hello.profile == "cpu"
    assert 0 < hello.budget_bytes < hello.memory_bytes
    assert process.close() == 0


def test_it_leaves_when_stdin_ends(idle: Process) -> None:
    started = time.monotonic()
    assert idle.close() == 0
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_leaves_on_a_signal(idle: Process, number: int) -> None:
    idle.pipe.send_signal(number)
    assert idle.pipe.wait(timeout=5) == 0


def test_it_leaves_when_told_to_quit(idle: Process) -> None:
    idle.say(contract.Quit())
    assert idle.pipe.wait(timeout=5) == 0


def test_it_leaves_when_nothing_was_heard_for_the_keep_alive_time(locks: Path) -> None:
    process = Process(locks, ENGINE_KEEP_ALIVE="2")
    process.wait_for("hello")
    for _ in range(8):
        process.say(contract.Ping())
        time.sleep(0.5)
    assert process.pipe.poll() is None, "pings keep it alive"
    assert process.pipe.wait(timeout=8) == 0


def test_one_engine_at_a_time_has_the_device(idle: Process, locks: Path) -> None:
    second = Process(locks, ENGINE_LOCK_WAIT="0.5")
    error = second.wait_for("error")
    assert error.code == "device_busy"
    assert second.pipe.wait(timeout=5) == 3
    idle.close()
    third = Process(locks)
    third.wait_for("hello")
    assert third.close() == 0


def test_a_profile_that_does_not_exist_is_said_before_any_job(locks: Path) -> None:
    process = Process(locks, ENGINE_PROFILE="huge")
    error = process.wait_for("error")
    assert (error.code, error.retryable) == ("bad_setting", False)
    assert "huge" in error.say
    assert process.pipe.wait(timeout=30) == 4


# --- what it does not understand -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("hello?", "JSON"),
        ("[]", "line"),
        ('{"command": "dance"}', "dance"),
        ('{"command": "stop"}', "job"),
        ('{"command": "run", "job": "j", "spec": {"kind": "text_to_image"}}', "base"),
        ('{"command": "run", "job": "j", "spec": {"kind": "sculpture"}}', "sculpture"),
        ("9" * 5000, "line"),
        ("[" * 3000, "line"),
    ],
)
def test_a_malformed_command_is_answered_by_name_and_survived(idle: Process, line: str, says: str) -> None:
    idle.write(line + "\n")
    error = idle.wait_for("error")
    assert error.code == "bad_spec"
    assert says in error.say
    assert not error.retryable
    assert error.job in ("", "j")
    idle.say(contract.Ping())
    assert idle.pipe.poll() is None


def test_bytes_that_are_no_text_are_survived_too(idle: Process) -> None:
    assert idle.pipe.stdin
    idle.pipe.stdin.buffer.write(b"\xff\xfe\x00\n")
    idle.pipe.stdin.buffer.flush()
    assert idle.wait_for("error").code == "bad_spec"
    idle.say(contract.Ping())
    assert idle.wait_for("pong")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


@given(field=st.sampled_from(sorted(contract.TrainLoraSpec.model_fields)), value=_JSON)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_in_any_field_is_taken_or_refused_by_name(field: str, value: Any, tmp_path: Path) -> None:
    spec = training_spec("base", tmp_path, [Path("a.png")]).model_dump(mode="json")
    line = json.dumps({"command": "run", "job": "j", "spec": {**spec, field: value}})
    said = ""
    try:
        contract.read_command(line)
    except contract.Malformed as fault:
        said = str(fault)
    assert said == "" or said.startswith("run.spec")


# --- jobs ----------------------------------------------------------------------------------------------------------


def test_it_makes_a_picture_with_previews_on_the_way(engine: Process, tiny_base: Path, tmp_path: Path) -> None:
    engine.say(contract.Run(job="p1", spec=picture_spec(tiny_base, tmp_path)))
    events = engine.all_until_end("p1")
    kinds = [event.event for event in events]
    assert [event.phase for event in events if event.event == "phase"] == list(contract.PICTURE_PHASES)
    assert kinds.index("preview") < kinds.index("artifact") < kinds.index("done")
    artifact = events[kinds.index("artifact")]
    assert (artifact.width, artifact.height, artifact.seed) == (64, 64, 7)
    assert Path(artifact.path) == tmp_path / "picture.png"
    assert events[-1].outcome == "finished"
    planned = events[kinds.index("planned")]
    assert planned.profile == "cpu"
    assert 0.5 < events[-1].peak_bytes / planned.predicted_bytes < 2


def test_the_same_spec_gives_the_same_file(engine: Process, tiny_base: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        engine.say(contract.Run(job=name, spec=picture_spec(tiny_base, tmp_path / name)))
        engine.all_until_end(name)
    assert (tmp_path / "a" / "picture.png").read_bytes() == (tmp_path / "b" / "picture.png").read_bytes()


def test_a_cancel_is_answered_within_a_step(engine: Process, tiny_base: Path, tmp_path: Path) -> None:
    engine.say(contract.Run(job="long", spec=picture_spec(tiny_base, tmp_path, width=256, height=256, steps=100)))
    engine.wait_for("progress", "long")
    asked = time.monotonic()
    engine.say(contract.Cancel(job="long"))
    done = engine.wait_for("done", "long")
    assert done.outcome == "cancelled"
    assert time.monotonic() - asked < 5
    assert not (tmp_path / "picture.png").exists()


def test_a_waiting_job_is_cancelled_at_once(engine: Process, tiny_base: Path, tmp_path: Path) -> None:
    engine.say(contract.Run(job="first", spec=picture_spec(tiny_base, tmp_path, width=256, height=256, steps=100)))
    engine.say(contract.Run(job="second", spec=picture_spec(tiny_base, tmp_path)))
    engine.wait_for("progress", "first")
    engine.say(contract.Cancel(job="second"))
    engine.say(contract.Cancel(job="first"))
    outcomes = {event.job: event.outcome for event in (engine.wait_for("done"), engine.wait_for("done"))}
    assert outcomes == {"first": "cancelled", "second": "cancelled"}


def test_stop_keeps_the_finished_checkpoints(
    engine: Process, tiny_base: Path, tmp_path: Path, paintings: list[Path]
) -> None:
    spec = training_spec(tiny_base, tmp_path, paintings, steps=5000, checkpoint_steps=[2, 5000])
    engine.say(contract.Run(job="t", spec=spec))
    checkpoint = engine.wait_for("checkpoint", "t")
    engine.say(contract.Stop(job="t"))
    assert engine.wait_for("done", "t").outcome == "stopped"
    assert Path(checkpoint.path).is_file()


def test_a_yielded_training_goes_on_later(
    engine: Process, tiny_base: Path, tmp_path: Path, paintings: list[Path]
) -> None:
    spec = training_spec(tiny_base, tmp_path, paintings, steps=200, checkpoint_steps=[2, 200], samples=[])
    engine.say(contract.Run(job="t1", spec=spec))
    engine.wait_for("checkpoint", "t1")
    engine.say(contract.Yield(job="t1"))
    events = engine.all_until_end("t1")
    assert events[-1].outcome == "yielded"
    left_at = next(event.step for event in reversed(events) if event.event == "snapshot")
    engine.say(contract.Run(job="t2", spec=spec))
    first = engine.wait_for("metric", "t2")
    engine.say(contract.Cancel(job="t2"))
    engine.wait_for("done", "t2")
    assert first.step == left_at + 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"base": "/nowhere/at/all"}, "missing_file"),
        ({"styles": [{"path": "/nowhere.safetensors", "sha256": "0" * 64, "weight": 1}]}, "missing_file"),
        ({"out_dir": "/dev/null/nowhere"}, "internal"),
    ],
)
def test_a_job_that_fails_is_named_and_survived(
    engine: Process, tiny_base: Path, tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    spec = {**picture_spec(tiny_base, tmp_path).model_dump(), **changes}
    engine.say(json.dumps({"command": "run", "job": "bad", "spec": spec}) + "\n")
    last = engine.all_until_end("bad")[-1]
    assert getattr(last, "code", getattr(last, "outcome", "")) == code
    engine.say(contract.Run(job="good", spec=picture_spec(tiny_base, tmp_path)))
    assert engine.all_until_end("good")[-1].outcome == "finished"


def test_what_prints_goes_to_stderr_and_never_among_the_events(locks: Path, tmp_path: Path) -> None:
    loud = tmp_path / "sitecustomize.py"
    loud.write_text(
        "import os, sys, threading, time\n"
        "def shout():\n"
        "    while sys.stdout is not sys.stderr: time.sleep(0.05)\n"  # until the engine has claimed its stream
        "    for _ in range(20):\n"
        "        time.sleep(0.1); print('from python'); os.write(1, b'from below\\n')\n"
        "threading.Thread(target=shout, daemon=True).start()\n"
    )
    process = Process(locks, PYTHONPATH=f"{tmp_path}:{ROOT}")
    process.wait_for("hello")
    deadline = time.monotonic() + PATIENCE
    while process.stderr.count("from below\n") < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert process.close() == 0
    assert process.events.empty()
    assert "from python\n" in process.stderr
    assert "from below\n" in process.stderr


def test_an_end_of_stdin_in_mid_training_leaves_a_snapshot(
    locks: Path, tiny_base: Path, tmp_path: Path, paintings: list[Path]
) -> None:
    spec = training_spec(tiny_base, tmp_path, paintings, steps=5000, checkpoint_steps=[5000], samples=[])
    process = Process(locks)
    process.say(contract.Run(job="t", spec=spec))
    process.wait_for("metric", "t")
    started = time.monotonic()
    assert process.close() == 0
    assert time.monotonic() - started < 10
    last = process.all_until_end("t")[-1]
    assert last.outcome == "yielded"
    assert any(Path(spec.snapshot_dir).iterdir())


def test_it_runs_one_job_from_a_terminal(tiny_base: Path, tmp_path: Path) -> None:
    path = tmp_path / "my-picture.json"
    path.write_text(picture_spec(tiny_base, tmp_path).model_dump_json())
    done = subprocess.run(
        [sys.executable, "-m", "gpu.engine", "run", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    events = [contract.read_event(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert events[-1].event == "done"
    assert (tmp_path / "picture.png").is_file()


def test_a_bad_spec_at_a_terminal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text('{"kind": "text_to_image", "base": 3}')
    done = subprocess.run(
        [sys.executable, "-m", "gpu.engine", "run", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2
    assert "base" in contract.read_event(done.stdout).say  # type: ignore[union-attr]
