"""Makes `.venv` and fills it, then hands over to `python -m config.stack`. Standard library only.

It runs under whatever `python3` the machine has, so the syntax stays old enough to reach the sentence that says what
is missing. The second start finds the stamp and costs a few milliseconds.
"""

from __future__ import annotations

import ast
import fcntl
import glob
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".installed"
CONSTRAINTS = VENV / "constraints.txt"
REQUIREMENTS = ROOT / "requirements.txt"
SUPPORTED = (3, 11)
OUTSIDE = getattr(sys, "_base_executable", "") or sys.executable  # the machine's Python, also from within .venv
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


class Unready(Exception):
    """The machine lacks something; the message says what to do about it."""


def main(arguments: list[str]) -> None:
    signal.signal(signal.SIGTERM, _leave)
    try:
        with REQUIREMENTS.open() as lock:  # two commands at once: the second waits for the first one's packages
            fcntl.flock(lock, fcntl.LOCK_EX)
            ensure_installed()
    except Unready as reason:
        sys.exit(f"ArtistCloner: {reason}")
    except subprocess.CalledProcessError as failure:
        sys.exit(
            f"ArtistCloner: packages could not be installed (exit status {failure.returncode}); the reason is above. "
            "What is there already is kept: run the same command again once it is mended."
        )
    except KeyboardInterrupt:
        sys.exit(130)
    if arguments:
        os.chdir(ROOT)
        os.execv(PYTHON, [str(PYTHON), "-m", "config.stack", *arguments])


def ensure_installed() -> None:
    """Create the environment and install the packages, unless exactly these are installed already."""
    gpu = has_nvidia_gpu()
    stamp = hashlib.sha256(REQUIREMENTS.read_bytes() + f"{SUPPORTED} gpu={gpu}".encode()).hexdigest()
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == stamp:
        return
    uv = shutil.which("uv")
    say(f"Installing packages into .venv with {'uv' if uv else 'pip'} (once; a few minutes on a fast line) …")
    make_environment(uv, gpu=gpu)
    for command in install_commands(uv, gpu=gpu):
        run(command, uv_environment() if uv else None)
    STAMP.write_text(stamp)


def has_nvidia_gpu() -> bool:
    """Whether the driver shows an NVIDIA GPU to this process (/dev/dxg is Linux inside Windows)."""
    inside_windows = os.path.exists("/dev/dxg") and shutil.which("nvidia-smi") is not None
    return inside_windows or bool(glob.glob("/dev/nvidia[0-9]*"))


def make_environment(uv: str | None, *, gpu: bool) -> None:
    cpu_build_in_the_way = gpu and CONSTRAINTS.exists()  # a GPU has arrived since the last start
    if PYTHON.exists() and runs_supported_python(str(PYTHON)) and not cpu_build_in_the_way:
        return
    interpreter = find_interpreter()
    if uv:  # uv brings a Python 3.11 of its own where there is none
        run([uv, "venv", "--quiet", "--clear", "--python", interpreter or "3.11", str(VENV)], None)
    elif interpreter:
        try:
            run([interpreter, "-m", "venv", "--clear", str(VENV)], None)
        except subprocess.CalledProcessError as failure:
            raise Unready(
                "this Python cannot make a virtual environment. Install its venv module "
                "(on Debian and Ubuntu: apt install python3.11-venv) or uv (https://docs.astral.sh/uv/)."
            ) from failure
    else:
        raise Unready(
            f"it needs Python 3.11, and this is Python {sys.version_info[0]}.{sys.version_info[1]}. "
            "Install Python 3.11, or uv (https://docs.astral.sh/uv/), which brings one along, and try again."
        )


def find_interpreter() -> str | None:
    candidates = [OUTSIDE, shutil.which("python3.11")]
    return next((path for path in candidates if path and runs_supported_python(path)), None)


def runs_supported_python(path: str) -> bool:
    question = f"import sys; sys.exit(sys.version_info[:2] != {SUPPORTED})"
    try:
        return subprocess.run([path, "-c", question], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def install_commands(uv: str | None, *, gpu: bool) -> list[list[str]]:
    """The commands that install everything: torch's CPU build first where there is no GPU, then the rest around it."""
    pip = [
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--no-compile",
    ]  # most of it is never imported: Python compiles the rest
    installer = [uv, "pip", "install", "--python", str(PYTHON)] if uv else pip
    sources = index_options() if uv else []  # pip reads its own configuration
    everything = [*installer, *sources, "-r", str(REQUIREMENTS)]
    if gpu or sys.platform != "linux":
        return [everything]
    torch = f"torch=={torch_version()}+cpu"
    CONSTRAINTS.write_text(torch + "\n")  # nothing that follows may pull a torch with CUDA
    folder = folder_with_wheel(f"torch-{torch_version()}+cpu-cp311-*.whl")
    source = ["--no-index", "--find-links", folder] if folder else [*sources, "--extra-index-url", TORCH_CPU_INDEX]
    if uv and not folder and "--index-strategy" not in source:
        source += ["--index-strategy", "unsafe-best-match"]
    return [[*installer, "--no-deps", *source, torch], [*everything, "-c", str(CONSTRAINTS)]]


def torch_version() -> str:
    match = re.search(r"^torch==([\w.]+)", REQUIREMENTS.read_text(), re.MULTILINE)
    if match is None:
        raise Unready("requirements.txt does not pin torch.")
    return match.group(1)


def folder_with_wheel(pattern: str) -> str | None:
    """The first configured wheel folder that holds such a wheel."""
    configured = pip_settings("find-links") + re.split(r"[,\s]+", os.environ.get("UV_FIND_LINKS", ""))
    folders = [entry[len("file://") :] if entry.startswith("file://") else entry for entry in configured if entry]
    return next((folder for folder in folders if glob.glob(os.path.join(glob.escape(folder), pattern))), None)


def index_options() -> list[str]:
    """pip's package sources as options for uv, which does not read pip's configuration."""
    options = [part for link in pip_settings("find-links") for part in ("--find-links", link)]
    options += [part for url in pip_settings("index-url")[-1:] for part in ("--index-url", url)]
    options += [part for host in pip_settings("trusted-host") for part in ("--allow-insecure-host", host)]
    extra = pip_settings("extra-index-url")
    options += [part for url in extra for part in ("--extra-index-url", url)]
    # pip takes the best version of all indexes; uv would stop at the first index that knows the name
    options += ["--index-strategy", "unsafe-best-match"] if extra else []
    return options + (["--no-index"] if pip_settings("no-index")[-1:] in (["1"], ["true"]) else [])


def uv_environment() -> dict[str, str]:
    certificates = pip_settings("cert")[-1:]
    return {"SSL_CERT_FILE": certificates[0]} if certificates and "SSL_CERT_FILE" not in os.environ else {}


_pip_configuration: list[str] | None = None


def pip_settings(name: str) -> list[str]:
    """All values that pip's files and variables give to one option; nothing where there is no pip."""
    global _pip_configuration
    if _pip_configuration is None:
        question = [OUTSIDE, "-m", "pip", "config", "list"]
        answer = subprocess.run(question, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        _pip_configuration = answer.stdout.decode().splitlines()
    values: list[str] = []
    for line in _pip_configuration:
        key, _, value = line.partition("=")
        if key.rpartition(".")[2].strip() == name and key.split(".")[0] in ("global", "install", ":env:"):
            values += [part for part in str(ast.literal_eval(value)).split() if part not in values]
    return values


def run(command: list[str], extra: dict[str, str] | None) -> None:
    # what installers print goes to stderr: `make manage` keeps stdout for the command's own answer
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr, env={**os.environ, **(extra or {})})


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt  # subprocess.run ends the installer on its way out


if __name__ == "__main__":
    main(sys.argv[1:])
