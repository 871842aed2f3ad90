"""The ladders: for each kind of job what is given up in which order, and where a machine begins.

What changes nothing but the time comes first, then what changes the result a little, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from gpu.engine.catalogue import BaseFacts
from gpu.engine.memory import needs
from gpu.engine.memory.compiling import compiler_there
from gpu.engine.memory.needs import Phases, Wanted
from gpu.engine.memory.plan import Plan
from gpu.engine.memory.profiles import Profile
from gpu.engine.memory.sizes import FilmSizes, sizes_of

Kind = Literal["picture", "training", "film"]
Rung = Mapping[str, Any]  # what it changes in the plan before it

TILE, SMALL_TILE = 512, 256  # pixels; SDXL's VAE sees 512 px whole and would split nothing at its default of 1024
LOW_RESOLUTION, LOW_RANK = 768, 8

PICTURE: Sequence[Rung] = (
    {"tile": TILE},
    {"text": "swapped"},
    {"vae": "swapped"},
    {"sequential_guidance": True},
    {"tile": SMALL_TILE},
    {
        "storage": "fp8",
        "compiled": False,  # fp8 weights and compilation do not go together (pytorch/pytorch#141548)
        "code": "small_weights",
        "say": "For want of memory the base was held at half its size: fine detail may differ a little.",
    },
)
TRAINING: Sequence[Rung] = (
    {"tile": TILE},
    {"checkpointing": "some"},
    {"checkpointing": "all"},
    {"micro_batch": 1},
    {
        "storage": "fp8",
        "code": "small_weights",
        "say": "For want of memory the base is held at half its size; the style itself is learned in full.",
    },
    {
        "resolution": LOW_RESOLUTION,
        "code": "resolution",
        "say": f"For want of memory your images are seen at {LOW_RESOLUTION} px.",
    },
    {
        "rank": LOW_RANK,
        "code": "rank",
        "say": f"For want of memory the style is learned at rank {LOW_RANK}, which keeps a little less of its detail.",
    },
)
FILM: Sequence[Rung] = (
    {"decode_frames": 8},
    {"decode_frames": 4},
    {"sequential_guidance": True},
    {"decode_frames": 2},
    {"chunks": 5},
    {"decode_frames": 1},
    {"frames": 14, "code": "frames", "say": "For want of memory the film is made of segments of 14 frames."},
)
_SAYS_NOTHING: Rung = MappingProxyType({"code": "", "say": ""})


def plans(
    kind: Kind,
    facts: BaseFacts | None,
    *,
    profile: Profile,
    width: int,
    height: int,
    guided: bool = True,
    rank: int = 16,
    batch: int = 1,
    frames: int = 25,
    optimizer: str = "adamw",
    learns_words: bool = False,
) -> list[Plan]:
    """The ladder of a job: the most comfortable plan that fits the profile's budget, then whatever takes less.

    Where none fits it is the last plan alone: predictions may be wrong. `fits` tells.
    `picture` and `film` go by the size of what is made (of one tile, for an upscale), `training` by the largest bucket,
    its rank and how many pictures a step sees; where it learns words, the text encoders stay for the backward pass.
    `facts` says nothing for a film.
    """
    wanted = Wanted(width, height, guided=guided, rank=rank, batch=batch, frames=frames, optimizer=optimizer)
    first = Plan(profile=profile.name)
    takes: Callable[[Plan], Phases]
    if kind == "film":
        takes, rungs = partial(needs.film, FilmSizes(), wanted), FILM
    else:
        assert facts is not None, "a base is planned by its facts"
        sizes = sizes_of(facts)
        if profile.name != "cpu":
            first = replace(first, channels_last=True, compiled=kind == "picture" and compiler_there())
        if kind == "picture":
            takes, rungs = partial(needs.picture, sizes, wanted), PICTURE
        else:
            # encoded once and kept: neither has anything to do on the device after that
            first = replace(first, text="resident" if learns_words else "swapped", vae="swapped")
            wanted = replace(wanted, batch=min(batch, facts.training.micro_batch))
            takes, rungs = partial(needs.training, sizes, wanted), TRAINING
    ladder = _ladder(first, [rung for rung in rungs if _less(rung, wanted)], takes)
    return _from_where_it_fits(ladder, profile)


def fits(plan: Plan, profile: Profile) -> bool:
    """Whether a plan is expected to stay within the budget."""
    return plan.predicted <= profile.budget


def _less(rung: Rung, wanted: Wanted) -> bool:
    """Whether a rung asks for less than the artist did: it must never make a job larger."""
    area = wanted.width * wanted.height
    asked = {"resolution": area**0.5, "rank": wanted.rank, "frames": wanted.frames, "decode_frames": wanted.frames}
    return all(rung[name] < most for name, most in asked.items() if name in rung)


def _ladder(first: Plan, rungs: Sequence[Rung], takes: Callable[[Plan], Phases]) -> list[Plan]:
    """Each rung laid over the last; those by which no phase takes less are left out."""
    plan, phases = first, takes(first)
    ladder = [replace(plan, predicted=needs.peak(phases, plan))]
    for rung in rungs:
        tried = replace(plan, **{**_SAYS_NOTHING, **rung})
        takes_now = takes(tried)
        if any(takes_now[phase] < before for phase, before in phases.items()):
            plan, phases = tried, takes_now
            ladder.append(replace(plan, predicted=needs.peak(phases, plan)))
    return ladder


def _from_where_it_fits(ladder: Sequence[Plan], profile: Profile) -> list[Plan]:
    start = next((number for number, plan in enumerate(ladder) if fits(plan, profile)), len(ladder) - 1)
    given_up = [plan for plan in ladder[: start + 1] if plan.say]
    say = " ".join(plan.say for plan in given_up)
    code = given_up[-1].code if given_up else ""
    return [replace(ladder[start], code=code, say=say), *ladder[start + 1 :]]
