"""What a machine has: a profile is picked by the card's memory, and can be asked for by name.

A bigger card that is asked for a smaller profile behaves like the small one: the allocator itself is capped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from gpu.engine import devices
from gpu.engine.failures import Failure
from gpu.engine.memory.plan import GIB

ProfileName = Literal["8gb", "12gb", "24gb", "cpu"]

# What a card leaves to the allocator: the system and the display take half a gigabyte, the CUDA context as much.
CAPS: Mapping[ProfileName, float] = MappingProxyType({"8gb": 7.0, "12gb": 10.75, "24gb": 22.0})
LEFT_OVER = 1.0  # GiB of a card that the allocator never gets
# A card is sold as so many GB and shows a little less: the smallest that counts as one, in GiB.
SMALLEST: Mapping[ProfileName, float] = MappingProxyType({"24gb": 22.0, "12gb": 11.0})
HOST_SHARE = 0.8  # of a machine's memory, where the engine computes on the CPU


@dataclass(frozen=True)
class Profile:
    """`budget` is the most bytes the engine may hold: of the GPU, or of the machine where it has none."""

    name: ProfileName
    budget: int


def profile_of(device: str, *, memory: int | None = None) -> Profile:
    """The profile of a device: by `ENGINE_PROFILE`, else by its memory. Raises Failure for a name that is none."""
    total = devices.memory_bytes(device) if memory is None else memory
    wanted = os.environ.get("ENGINE_PROFILE", "")
    if wanted and wanted not in (*CAPS, "cpu"):
        raise Failure("bad_setting", f"ENGINE_PROFILE is “{wanted}”: it must be 8gb, 12gb, 24gb or cpu.")
    if wanted in CAPS:
        return Profile(wanted, _budget(wanted, total))  # type: ignore[arg-type]
    if device == "cpu":
        return Profile("cpu", int(total * HOST_SHARE))
    name: ProfileName = next((name for name, least in SMALLEST.items() if total >= least * GIB), "8gb")
    return Profile(name, _budget(name, total))


def _budget(name: str, total: int) -> int:
    return int(min(CAPS[name] * GIB, max(total - LEFT_OVER * GIB, total / 2)))  # type: ignore[index]


def enforce(profile: Profile, device: str) -> None:
    """Caps PyTorch's allocator at the profile's budget. A CPU has no such cap."""
    if device == "cpu":
        return
    import torch

    share = min(1.0, profile.budget / devices.memory_bytes(device))
    torch.cuda.set_per_process_memory_fraction(share, device)
