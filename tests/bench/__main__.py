"""`make bench`: the engine against its baselines, then the main job on a stack of its own.

`--quick` (make bench QUICK=1) takes fewer runs and the engine alone: less than five minutes on two cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    # each in a process of its own: what one leaves in memory must not count for the next
    engine = subprocess.run([sys.executable, "-m", "tests.bench.engine", *(["--quick"] if arguments.quick else [])])
    if arguments.quick:
        return engine.returncode
    return subprocess.run([sys.executable, "-m", "tests.bench.main_job"]).returncode or engine.returncode


if __name__ == "__main__":
    sys.exit(main())
