"""To the engine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gpu.engine.contract.plain import Plain
from gpu.engine.contract.specs import Spec


class Run(Plain):
    command: Literal["run"] = "run"
    job: str
    spec: Spec


class Stop(Plain):
    """End soon and keep what is finished (a training ends with the checkpoints it has)."""

    command: Literal["stop"] = "stop"
    job: str


class Cancel(Plain):
    command: Literal["cancel"] = "cancel"
    job: str


class Yield(Plain):
    """Write a snapshot and leave the GPU: the run goes on later. Also what a shutdown asks for."""

    command: Literal["yield"] = "yield"
    job: str


class Ping(Plain):
    command: Literal["ping"] = "ping"


class Quit(Plain):
    command: Literal["quit"] = "quit"


Command = Annotated[Run | Stop | Cancel | Yield | Ping | Quit, Field(discriminator="command")]
