"""`python -m gpu.engine` serves a worker; `run spec.json` runs one job, `models` and `lora` look after files.

`bench` holds the engine against its baselines; it belongs to a checkout, not to an installation.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from gpu.engine.process import run_file, serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gpu.engine", description=__doc__)
    parser.add_argument("--warm", default="", metavar="BASE", help="load this base before the first job")
    verbs = parser.add_subparsers(dest="verb")
    verbs.add_parser("run", help="run one job").add_argument("spec", type=Path, help="a spec, as JSON")
    tools = {}
    if {"models", "lora", "-h", "--help"}.intersection(sys.argv):  # a worker's engine says hello without them
        from gpu.engine import lora_cli, models_cli

        tools = {"models": models_cli, "lora": lora_cli}
        for tool in tools.values():
            tool.add_to(verbs)
    verbs.add_parser("bench", help="hold the engine against its baselines, in a checkout", add_help=False)
    arguments, rest = parser.parse_known_args()
    if arguments.verb == "bench":
        return _bench(rest)
    if rest:
        parser.error(f"unknown: {' '.join(rest)}")
    if arguments.verb in tools:
        return tools[arguments.verb].main(arguments)
    return run_file(arguments.spec) if arguments.verb == "run" else serve(warm=arguments.warm)


def _bench(arguments: list[str]) -> int:
    """The harness lies with the tests: its baselines are no part of the product."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "tests" / "bench").is_dir():
        print("The benchmark is part of a checkout: clone the repository to run it.", file=sys.stderr)  # noqa: T201
        return 2
    return subprocess.run([sys.executable, "-m", "tests.bench.engine", *arguments], cwd=root).returncode


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # everything is written; taking torch apart politely would only keep a worker that wants to leave waiting
    os._exit(code)
