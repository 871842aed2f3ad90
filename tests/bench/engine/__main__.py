"""`python -m tests.bench.engine`: the engine beside its baselines, in one run, on whatever this machine has.

On a CUDA GPU with SDXL and SVD-XT at full size and random weights, under the cap of an 8 GB card; on a CPU with the
starter, and what only a GPU can show is said to be not yet measured. Writes var/bench/engine.json; `--docs` also puts
the table into docs/gpu.md. Each group of rows runs in a process of its own: none inherits another's memory.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
RESULT = ROOT / "var" / "bench" / "engine.json"
MODELS = Path(os.environ.get("BENCH_MODELS_DIR", ROOT / "var" / "bench" / "models"))  # 11 GB on a GPU machine
ROOMS = {
    "exact": "exact:rows",
    "speed": "speed:rows",
    "tiles": "tiles:rows",
    "training": "training:rows",
    "pictures": "full_size:pictures",
    "fast": "full_size:fast",
    "compiled": "full_size:compiled",
    "films": "film:rows",
}
GROUPS = tuple(ROOMS)
ON_GPU_ALONE = ("fast", "compiled", "films")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.engine", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs: less than five minutes on two cores")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/gpu.md")
    parser.add_argument("--device", default="", help="cpu or cuda:0; found out if left out")
    parser.add_argument("--group", choices=GROUPS, help="one group alone; prints its rows as JSON")
    arguments = parser.parse_args()
    device = arguments.device or _device()
    if arguments.group:
        print(json.dumps([row.as_json() for row in measured(arguments.group, device, quick=arguments.quick)]))
        return 0
    rows = [row for group in GROUPS for row in _apart(group, device, quick=arguments.quick)]
    result = {"device": device_name(device), "quick": arguments.quick, "versions": _versions(), "rows": rows}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nWritten to {RESULT.relative_to(ROOT)}.")
    if arguments.docs:
        from tests.bench.engine.table import into_docs

        into_docs(ROOT / "docs" / "gpu.md", result)
    return 1 if any(row["holds"] is False for row in rows) else 0


def _device() -> str:
    from gpu.engine.devices import pick_device

    return pick_device()


def device_name(device: str) -> str:
    if device != "cpu":
        import torch

        return str(torch.cuda.get_device_name(device))
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"CPU: {name}, {len(os.sched_getaffinity(0))} cores"


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("torch", "diffusers", "transformers", "peft")}


def _apart(group: str, device: str, *, quick: bool) -> list[dict[str, Any]]:
    """A group's rows from a process of its own, told as they come; what only a GPU can show is named without one."""
    from tests.bench.engine.promised import on_a_gpu
    from tests.bench.engine.table import line

    if device == "cpu" and group in ON_GPU_ALONE:
        rows = [row.as_json() for row in on_a_gpu(group)]
    else:
        command = [sys.executable, "-m", "tests.bench.engine", "--group", group, "--device", device]
        ended = subprocess.run([*command, *(["--quick"] if quick else [])], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        if ended.returncode:
            raise SystemExit(f"The rows of {group} could not be measured; the cause is above.")
        rows = json.loads(ended.stdout.splitlines()[-1])
        if device == "cpu":
            rows += [row.as_json() for row in on_a_gpu(group)]
    for row in rows:
        print(line(row), flush=True)
    return rows


def measured(group: str, device: str, *, quick: bool) -> Iterator[Any]:
    """The rows of one group. Torch and the models are imported only here."""
    _quiet()
    from tests.bench.engine.setting import full, starter

    module, _, function = ROOMS[group].partition(":")
    rows = getattr(importlib.import_module(f"tests.bench.engine.{module}"), function)
    make = starter if device == "cpu" else full
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        yield from rows(make(Path(scratch), quick=quick, device=device, models=MODELS))


def _quiet() -> None:
    """The libraries' progress bars and hints would stand between the rows."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    logging.captureWarnings(True)
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.logging.set_verbosity_error()
        library.logging.disable_progress_bar()


if __name__ == "__main__":
    sys.exit(main())
