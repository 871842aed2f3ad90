"""Decoding in tiles: whether their borders can be seen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gpu.engine.tiles import seam_error
from tests.bench.engine.rows import Row, Target
from tests.bench.engine.setting import Setting

VISIBLE = 1.0  # of 255: a step between two neighbours that an eye could find on an even ground


def rows(setting: Setting) -> Iterator[Row]:
    """A picture of four tiles and more; the baseline cuts it into halves that know nothing of each other."""
    tile = 512 if setting.on_gpu else 256
    side = 2 * tile
    latents, _ = setting.base.encode(_waves(side))
    found = seam_error(setting.base, latents, tile)
    hard = _hard_edge(setting, latents)
    yield Row(
        name="vae_tile_seam",
        say=f"how much a border of {tile} px tiles stands out in a picture of {side} px, against a plain cut, of 255",
        unit="",
        target=Target("at most", VISIBLE, of="ours"),
        ours=round(found.edge, 4),
        baseline=round(hard, 4),
        ratio=round(hard / found.edge, 2) if found.edge else None,
        note=f"mean difference to the whole: {found.mean:.2f}",
    )


def _waves(side: int) -> Tensor:
    """Soft colours, where a seam is seen best. (1, 3, side, side) in -1..1."""
    across = np.linspace(0, 3 * np.pi, side)
    waves = np.sin(across[None, :] + np.cos(across)[:, None] + np.arange(3)[:, None, None])
    return torch.from_numpy(waves.astype(np.float32))[None] * 0.8


def _hard_edge(setting: Setting, latents: Tensor) -> float:
    half = latents.shape[-1] // 2
    parts = [setting.base.decode(part) for part in (latents[..., :half], latents[..., half:])]
    cut, whole = torch.cat(parts, dim=-1), setting.base.decode(latents)
    at = cut.shape[-1] // 2
    steps = [(picture[..., at] - picture[..., at - 1]).abs().mean() * 127.5 for picture in (cut, whole)]
    return max(0.0, float(steps[0] - steps[1]))
