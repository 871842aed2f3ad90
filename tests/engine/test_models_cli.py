"""`python -m gpu.engine models`: what is here, what this machine can run, and what was chosen."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpu.engine import choices, memory
from gpu.engine.__main__ import main
from gpu.engine.catalogue import MODELS, STARTER_FOLDER, ModelFile
from tests.engine.hub_server import COMMIT, Hub, serving

LORA = os.urandom(200_000)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("MODELS_DIR", raising=False)
    monkeypatch.delenv("BASE_MODEL", raising=False)
    monkeypatch.setenv("ENGINE_DEVICE", "cpu")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def hub_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that has the few-step LoRA, at a size that a test can fetch."""
    path = MODELS["sdxl-fast"].files[0].path
    small = replace(
        MODELS["sdxl-fast"],
        revision=COMMIT,
        files=(ModelFile(path, len(LORA), hashlib.sha256(LORA).hexdigest()),),
        bytes=len(LORA),
    )
    models = {**MODELS, "sdxl-fast": small}
    for module in ("gpu.engine.models_cli", "gpu.engine.catalogue.models"):
        monkeypatch.setattr(f"{module}.MODELS", models)
    with serving({path: LORA}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        yield server


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["engine", "models", *arguments])
    return main()


def test_the_list_names_every_model_with_its_size_and_licence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "list") == 0
    out = capsys.readouterr().out
    for model in MODELS.values():
        [line] = [line for line in out.splitlines() if line.startswith(f"{model.name} ")]
        assert model.licence.name in line
        assert " no " in line
    assert "The base in use: starter" in out
    assert MODELS["svd-xt"].licence.permits in out


def test_check_says_what_a_cpu_can_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "check") == 0
    out = capsys.readouterr().out
    assert "profile cpu" in out
    assert "pictures of 128 × 128 in about 2.0 s" in out
    assert "pictures of 1024 × 1024 in about 30 min" in out
    assert "camera moves" in out


def test_check_says_what_does_not_fit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(memory, "plans", lambda *arguments, **options: [memory.Plan(predicted=10**15)])
    assert run(monkeypatch, "check") == 0
    assert "does not fit: pictures of 1024 × 1024 need more memory" in capsys.readouterr().out


def test_pull_fetches_and_check_finds_damage_afterwards(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hub_server: Hub
) -> None:
    assert run(monkeypatch, "pull", "sdxl-fast") == 0
    out = capsys.readouterr().out
    assert "100 %" in out
    assert "every checksum verified" in out
    assert MODELS["sdxl-fast"].licence.permits in out
    assert run(monkeypatch, "check") == 0
    assert "every checksum holds" in capsys.readouterr().out
    path = choices.models_dir() / "sdxl-fast" / MODELS["sdxl-fast"].files[0].path
    path.write_bytes(b"x" * len(LORA))
    assert run(monkeypatch, "check") == 1
    assert "damaged: sdxl_lightning_4step_lora.safetensors. Run `models pull sdxl-fast`" in capsys.readouterr().out


def test_offline_pull_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert run(monkeypatch, "pull", "taesdxl") == 1
    assert "The model hub cannot be reached" in capsys.readouterr().err


def test_an_unknown_name_lists_those_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "pull", "sdxxl") == 1
    assert "There is no model “sdxxl”. There are: sdxl, " in capsys.readouterr().err


def test_a_base_that_is_not_here_cannot_be_chosen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "use", "sdxl") == 1
    assert "Run `models pull sdxl`" in capsys.readouterr().err
    assert choices.read().base == ""


def test_a_folder_can_be_the_base(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "use", str(STARTER_FOLDER)) == 0
    assert choices.read().base == str(STARTER_FOLDER)
    assert run(monkeypatch, "use", "starter") == 0
    assert choices.read().base == "starter"
    assert run(monkeypatch, "use", str(STARTER_FOLDER.parent)) == 1
    assert "no model_index.json" in capsys.readouterr().err


def test_a_folder_can_stand_in_for_any_model_and_is_forgotten_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    assert run(monkeypatch, "use", "taesdxl", str(mine)) == 1
    assert "diffusion_pytorch_model.safetensors" in capsys.readouterr().err
    (mine / "config.json").write_text("{}")
    (mine / "diffusion_pytorch_model.safetensors").touch()
    assert run(monkeypatch, "use", "taesdxl", str(mine)) == 0
    assert choices.read().folders == {"taesdxl": str(mine)}
    assert run(monkeypatch, "check") == 0
    assert "a folder of your own" in capsys.readouterr().out
    assert run(monkeypatch, "use", "taesdxl") == 0
    assert choices.read().folders == {}


def test_the_environment_goes_first_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BASE_MODEL", "sdxl")
    assert run(monkeypatch, "use", "starter") == 0
    assert "BASE_MODEL is set to sdxl here, and goes first" in capsys.readouterr().out


@pytest.mark.parametrize("set_here", [None, "sdxl"])
def test_the_site_takes_what_was_chosen_unless_the_environment_says_otherwise(set_here: str | None) -> None:
    choices.write(choices.Choices(base="/somewhere/base"))
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.local", "BASE_MODEL": set_here or ""}
    code = "from django.conf import settings; print(settings.BASE_MODEL)"
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == (set_here or "/somewhere/base")
