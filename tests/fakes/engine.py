"""A small real process that speaks the engine's contract and computes nothing: `python -m tests.fakes.engine`.

What it does is written in the job itself, as words in the prompt of a picture or in `metadata["fake"]` of a training
(and, for every job, in the environment as FAKE_ENGINE):

    steps=20      how many steps a picture takes (a training says so itself)
    delay=0.02    seconds a step
    crash=5       the process ends at step 5
    hang=5        the process stops at step 5 and answers nothing any more
    stall=5       it goes on answering pings, but the job does nothing more and hears no wish
    error=5       the job ends at step 5 with an error; `code=` and `final=1` (another try must fail as well) shape it
    adapt=5       something is changed at step 5 so that the job can go on
    deaf=1        wishes are not heard
    once=PATH     the misfortune happens once: it leaves this file behind

A training writes a snapshot each step and resumes from it; a wish is heard at each step.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path

from PIL import Image
from pydantic import BaseModel

from gpu.engine import contract
from gpu.engine.contract import Outcome

_OUTCOMES: dict[str, Outcome] = {"stop": "stopped", "cancel": "cancelled", "yield": "yielded"}


class Script(dict[str, str]):
    def __init__(self, words: str) -> None:
        super().__init__(word.split("=", 1) for word in words.split() if "=" in word)

    def number(self, name: str, otherwise: float) -> float:
        return float(self.get(name, otherwise))

    def strikes(self, name: str, step: int) -> bool:
        """Whether the misfortune `name` happens now."""
        if self.get(name) != str(step):
            return False
        if marker := self.get("once"):
            if Path(marker).exists():
                return False
            Path(marker).touch()
        return True


class Ended(Exception):
    """The job is over; the last event has been sent."""


class FakeEngine:
    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[contract.Run | None] = queue.SimpleQueue()
        self._wishes: dict[str, Outcome] = {}
        self._writing = threading.Lock()

    def emit(self, event: BaseModel) -> None:
        with self._writing:
            sys.stdout.write(contract.to_line(event))
            sys.stdout.flush()

    def read(self) -> None:
        for line in sys.stdin:
            command = contract.read_command(line)
            match command:
                case contract.Run():
                    self._wishes.pop(command.job, None)  # meant for an earlier try
                    self._jobs.put(command)
                case contract.Ping():
                    self.emit(contract.Pong())
                case contract.Quit():
                    break
                case _:
                    self._wishes[command.job] = _OUTCOMES[command.command]
        os._exit(0)  # stdin's end: nobody listens any more

    def work(self) -> None:
        self.emit(contract.Hello(device="fake", profile="8gb", budget_bytes=7 * 2**30))
        threading.Thread(target=self.read, daemon=True).start()
        while run := self._jobs.get():
            try:
                if isinstance(run.spec, contract.TrainLoraSpec):
                    self._train(run.job, run.spec)
                else:
                    self._draw(run.job, run.spec)
            except Ended:
                continue
            self.emit(contract.Done(job=run.job, outcome="finished", seconds=0.1, peak_bytes=1))

    def _step(self, job: str, script: Script, step: int) -> None:
        """One step's time, and whatever happens in it."""
        if script.strikes("crash", step):
            print("fake engine: crashing as told", file=sys.stderr)  # noqa: T201
            sys.stderr.flush()
            os._exit(70)
        if script.strikes("hang", step):
            os.kill(os.getpid(), signal.SIGSTOP)
        if script.strikes("stall", step):
            time.sleep(3600)
        if script.strikes("error", step):
            code, final = script.get("code", "out_of_memory"), script.get("final") == "1"
            self.emit(contract.Error(job=job, code=code, say="It was told to fail.", detail="a", retryable=not final))
            raise Ended
        if script.strikes("adapt", step):
            self.emit(contract.Adapted(job=job, code="smaller_pieces", say="It is done in smaller pieces."))
            self.emit(contract.Planned(job=job, profile="8gb", predicted_bytes=2**30))
        if job in self._wishes and "deaf" not in script:
            self.emit(contract.Done(job=job, outcome=self._wishes[job], seconds=0.1))
            raise Ended
        time.sleep(script.number("delay", 0.02))

    def _draw(self, job: str, spec: contract.TextToImageSpec) -> None:
        script = Script(f"{os.environ.get('FAKE_ENGINE', '')} {spec.prompt}")
        steps = int(script.number("steps", 5))
        self.emit(contract.Planned(job=job, profile="8gb", predicted_bytes=2**31))
        self.emit(contract.Phase(job=job, phase="denoising"))
        for step in range(1, steps + 1):
            self._step(job, script, step)
            self.emit(
                contract.Progress(job=job, fraction=step / steps, step=step, steps=steps, eta_seconds=steps - step)
            )
            self.emit(contract.Preview(job=job, step=step, webp=base64.b64encode(picture("WEBP", 8, 8)).decode()))
        path = Path(spec.out_dir) / "picture.png"
        path.write_bytes(picture("PNG", spec.width, spec.height))
        self.emit(contract.Artifact(job=job, path=str(path), width=spec.width, height=spec.height, seed=spec.seed))

    def _train(self, job: str, spec: contract.TrainLoraSpec) -> None:
        script = Script(f"{os.environ.get('FAKE_ENGINE', '')} {spec.metadata.get('fake', '')}")
        snapshot = Path(spec.snapshot_dir) / "step"
        done = int(snapshot.read_text()) if snapshot.exists() else 0
        snapshot.parent.mkdir(parents=True, exist_ok=True)
        self.emit(contract.Phase(job=job, phase="training"))
        if done == 0:
            self._sample(job, spec, 0)
        for step in range(done + 1, spec.steps + 1):
            self._step(job, script, step)
            self.emit(contract.Progress(job=job, fraction=step / spec.steps, step=step, steps=spec.steps))
            self.emit(contract.Metric(job=job, step=step, loss=1 / step))
            if step in spec.checkpoint_steps:
                self._sample(job, spec, step)
                self._checkpoint(job, spec, step)
            snapshot.write_text(str(step))
            self.emit(contract.Snapshot(job=job, step=step, path=str(snapshot.parent)))

    def _sample(self, job: str, spec: contract.TrainLoraSpec, step: int) -> None:
        for number, sample in enumerate(spec.samples):
            path = Path(spec.out_dir) / f"sample-{step}-{number}.png"
            path.write_bytes(picture("PNG", spec.resolution, spec.resolution))
            self.emit(contract.Sample(job=job, step=step, prompt_no=number, seed=sample.seed, path=str(path)))

    def _checkpoint(self, job: str, spec: contract.TrainLoraSpec, step: int) -> None:
        path = Path(spec.out_dir) / f"checkpoint-{step}.safetensors"
        path.write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")  # an empty but valid file
        content = path.read_bytes()
        self.emit(
            contract.Checkpoint(
                job=job,
                ordinal=spec.checkpoint_steps.index(step) + 1,
                step=step,
                loss=1 / step,
                path=str(path),
                sha256=hashlib.sha256(content).hexdigest(),
                bytes=len(content),
                weight_norm=1.0,
            )
        )


def picture(kind: str, width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (139, 92, 246)).save(out, kind)
    return out.getvalue()


if __name__ == "__main__":
    FakeEngine().work()
