"""Training on a GPU: every method to its end, a pause within a tolerance, and less memory where blocks keep nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gpu.engine.contract import TrainLoraSpec
from gpu.engine.memory import Plan
from gpu.engine.report import Interrupted
from gpu.engine.studio import Studio
from tests.engine.makers import Heard, training_spec
from tests.engine.test_training_methods import DREAMBOOTH, INVERSION

pytestmark = [pytest.mark.cuda, pytest.mark.usefixtures("unjudged")]

NEAR = 0.02  # share of the largest weight: bfloat16 and the order of additions


@pytest.fixture
def studio() -> Studio:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU here")
    return Studio("cuda:0")


def attempt(spec: TrainLoraSpec, studio: Studio, heard: Heard | None = None) -> Heard:
    heard = heard or Heard()
    try:
        studio.run(spec, heard.report)
    except Interrupted as interruption:
        heard.report.done(interruption.outcome)
    else:
        heard.report.done("finished")
    return heard


@pytest.mark.parametrize("method", [{}, DREAMBOOTH, INVERSION], ids=["lora", "dreambooth", "textual inversion"])
def test_a_resumed_run_of_each_method_comes_near_the_whole_one(
    studio: Studio, tiny_base: Path, tmp_path: Path, paintings: list[Path], method: dict[str, Any]
) -> None:
    settings = {"steps": 6, "checkpoint_steps": [3, 6], "held_out": 0.25, "optimizer": "adamw8bit", **method}
    whole = attempt(training_spec(tiny_base, tmp_path / "whole", paintings, **settings), studio)
    spec = training_spec(tiny_base, tmp_path / "parts", paintings, **settings)
    attempt(spec, studio, Heard(after="checkpoint", say="yielded"))
    resumed = attempt(spec, studio)
    assert resumed.events[-1].outcome == "finished"  # type: ignore[attr-defined]
    ends = [load_file(heard.of("checkpoint")[-1].path) for heard in (whole, resumed)]
    for name, tensor in ends[0].items():
        bound = NEAR * float(tensor.float().abs().max())
        torch.testing.assert_close(tensor.float(), ends[1][name].float(), rtol=0, atol=bound)


@pytest.mark.parametrize("storage", ["full", "fp8"])
def test_blocks_that_keep_nothing_take_less_memory(
    studio: Studio, starter: Path, tmp_path: Path, paintings: list[Path], storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    peaks = {}
    for how in ("none", "all"):
        plan = Plan(profile="8gb", text="swapped", vae="swapped", storage=storage, checkpointing=how)
        monkeypatch.setattr("gpu.engine.memory.plans", lambda *_, plan=plan, **__: [plan])
        spec = training_spec(
            starter, tmp_path / how, paintings, steps=3, checkpoint_steps=[3], samples=[], resolution=128, batch=8
        )
        assert attempt(spec, studio).events[-1].outcome == "finished"  # type: ignore[attr-defined]
        peaks[how] = torch.cuda.max_memory_allocated("cuda:0")
    assert peaks["all"] < peaks["none"]
