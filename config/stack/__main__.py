"""`python -m config.stack run | manage … | test …`: what the Makefile calls."""

import sys

from config.stack.command import manage
from config.stack.run import run
from config.stack.state import Trouble
from config.stack.supervisor import Stopped
from config.stack.testing import test

USAGE = "Usage: python -m config.stack run | manage COMMAND… | test [PYTEST ARGUMENTS…]   (or `make help`)"


def main(arguments: list[str]) -> int:
    verb, rest = (arguments[0] if arguments else ""), arguments[1:]
    try:
        if verb == "run" and not rest:
            return run()
        if verb == "manage":
            return manage(rest)
        if verb == "test":
            return test(rest)
    except Trouble as trouble:
        print(f"ArtistCloner: {trouble}", file=sys.stderr)
        return 1
    except (Stopped, KeyboardInterrupt):
        return 130
    print(USAGE, file=sys.stderr)
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
