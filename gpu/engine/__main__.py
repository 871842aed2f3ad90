"""`python -m gpu.engine` serves a worker; `run spec.json` runs one job, `models` and `lora` look after files."""

from __future__ import annotations

import argparse
import os
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
    arguments = parser.parse_args()
    if arguments.verb in tools:
        return tools[arguments.verb].main(arguments)
    return run_file(arguments.spec) if arguments.verb == "run" else serve(warm=arguments.warm)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # everything is written; taking torch apart politely would only keep a worker that wants to leave waiting
    os._exit(code)
