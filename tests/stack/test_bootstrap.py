"""Which packages `make run` installs, and from where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from config.stack import bootstrap
from config.stack.state import ROOT

VERSION = bootstrap.torch_version()


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "CONSTRAINTS", tmp_path / "constraints.txt")
    monkeypatch.setattr(bootstrap, "_pip_configuration", [])
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / f"torch-{VERSION}+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    return folder


@pytest.mark.parametrize("uv", ["/usr/bin/uv", None])
def test_without_a_gpu_the_configured_folder_gives_the_cpu_wheel(
    uv: str | None, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_pip_configuration", [f"global.find-links='/nowhere {wheels}'"])
    torch, rest = bootstrap.install_commands(uv, gpu=False)
    assert torch[-5:] == ["--no-deps", "--no-index", "--find-links", str(wheels), f"torch=={VERSION}+cpu"]
    assert rest[-2:] == ["-c", str(bootstrap.CONSTRAINTS)]
    assert bootstrap.CONSTRAINTS.read_text() == f"torch=={VERSION}+cpu\n"


def test_a_folder_configured_for_uv_counts_as_well(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", f"https://wheels.example/,{wheels}")
    assert bootstrap.install_commands("/usr/bin/uv", gpu=False)[0][-2] == str(wheels)


@pytest.mark.parametrize("uv", ["/usr/bin/uv", None])
def test_without_a_gpu_and_a_folder_pytorchs_cpu_index_is_asked(uv: str | None) -> None:
    torch, _ = bootstrap.install_commands(uv, gpu=False)
    assert torch[torch.index("--extra-index-url") + 1] == "https://download.pytorch.org/whl/cpu"
    assert torch[-1] == f"torch=={VERSION}+cpu"


def test_with_a_gpu_everything_comes_in_one_go_and_unconstrained() -> None:
    (command,) = bootstrap.install_commands("/usr/bin/uv", gpu=True)
    assert command[-2:] == ["-r", str(ROOT / "requirements.txt")]
    assert "cpu" not in " ".join(command[1:])


def test_uv_is_told_what_pip_is_configured_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    configured = [
        "global.cert='/etc/own.pem'",
        "global.extra-index-url='https://one.example/simple https://two.example/simple'",
        "global.index-url='https://first.example/simple'",
        "install.trusted-host='one.example'",
        "download.find-links='/not/for/installing'",
    ]
    monkeypatch.setattr(bootstrap, "_pip_configuration", configured)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert bootstrap.index_options() == [
        *("--index-url", "https://first.example/simple"),
        *("--allow-insecure-host", "one.example"),
        *("--extra-index-url", "https://one.example/simple", "--extra-index-url", "https://two.example/simple"),
        *("--index-strategy", "unsafe-best-match"),
    ]
    assert bootstrap.uv_environment() == {"SSL_CERT_FILE": "/etc/own.pem"}


def test_a_python_that_does_not_fit_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootstrap, "PYTHON", tmp_path / "none")
    monkeypatch.setattr(bootstrap, "find_interpreter", lambda: None)
    with pytest.raises(bootstrap.Unready, match=r"it needs Python 3\.11"):
        bootstrap.make_environment(None, gpu=False)


def test_an_interpreter_is_asked_for_its_version_rather_than_believed(tmp_path: Path) -> None:
    imposter = tmp_path / "python3.11"
    imposter.write_text("#!/bin/sh\nexit 127\n")
    imposter.chmod(0o755)
    assert not bootstrap.runs_supported_python(str(imposter))
    assert not bootstrap.runs_supported_python(str(tmp_path / "missing"))
    assert bootstrap.runs_supported_python(sys.executable)


def test_an_old_python_gets_past_the_syntax() -> None:
    source = (ROOT / "config/stack/bootstrap.py").read_text()
    compile(source, "bootstrap.py", "exec", dont_inherit=True)
    check = f"import ast; ast.parse({source!r}, feature_version=(3, 7))"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
