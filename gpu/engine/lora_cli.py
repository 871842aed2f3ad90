"""`python -m gpu.engine lora show FILE | convert IN OUT --to kohya|diffusers`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from gpu.engine import choices, weights
from gpu.engine.catalogue import STARTER, describe
from gpu.engine.failures import Failure


def add_to(verbs: Any) -> None:
    """The verb `lora` with its own verbs."""
    parser = verbs.add_parser("lora", help="look into LoRA files, and write them in another spelling")
    own = parser.add_subparsers(dest="lora_verb", required=True)
    show = own.add_parser("show", help="what a LoRA is, and whether it fits the base")
    show.add_argument("source", type=Path, metavar="FILE")
    show.set_defaults(run=_show)
    convert = own.add_parser("convert", help="the same LoRA as another tool names it")
    convert.add_argument("source", type=Path, metavar="IN")
    convert.add_argument("target", type=Path, metavar="OUT")
    convert.add_argument("--to", choices=weights.FORMATS, required=True)
    convert.set_defaults(run=_convert)
    for verb in (show, convert):
        verb.add_argument("--base", default="", help="the base that the LoRA is for; without it the one in use")


def main(arguments: argparse.Namespace) -> int:
    """Runs one verb. What goes wrong is one sentence on stderr."""
    base = arguments.base or os.environ.get("BASE_MODEL") or choices.read().base or STARTER.name
    try:
        arguments.run(arguments, base)
    except Failure as failure:
        print(f"{failure.say}\n  ({failure.detail})" if failure.detail else failure.say, file=sys.stderr)
        return 1
    except (OSError, ValueError, KeyError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _show(arguments: argparse.Namespace, base: str) -> None:
    found = weights.examine(arguments.source, describe(base))
    print(f"A LoRA for {describe(base).title}: {found.layers} layers, rank {found.rank}.")
    print("It touches the text encoders too." if found.touches_text else "It touches the UNet alone.")
    if found.trigger_word:
        print(f"Its trigger word: {found.trigger_word}")


def _convert(arguments: argparse.Namespace, base: str) -> None:
    weights.convert(arguments.source, arguments.target, arguments.to, describe(base))
    print(f"{arguments.target} holds the same LoRA under the names of {arguments.to}.")
