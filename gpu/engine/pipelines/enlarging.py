"""A picture made larger, with nothing added that is not in it: by Swin2SR where it is on this machine, else by Lanczos.

Swin2SR (Conde et al. 2022, arXiv:2209.11345) was taught to undo what shrinking and compressing took.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gpu.engine import hub
from gpu.engine.catalogue import model
from gpu.engine.failures import bad_weights
from gpu.engine.report import Report
from gpu.engine.tiles import mapped

TILE = 256  # pixels of the source: what a small card has room for beside a resting base

BY_MODEL = "Enlarged by the upscaling model."
BY_LANCZOS = "Enlarged by interpolation: the upscaling model is not on this machine."


def enlarge(picture: Image.Image, factor: int, upscaler: str, device: str, report: Report) -> tuple[Image.Image, str]:
    """The picture `factor` times as large, and a sentence on how. `upscaler` is a catalogue name, or empty."""
    size = picture.width * factor, picture.height * factor
    if not upscaler:
        return picture.resize(size, Image.Resampling.LANCZOS), ""
    if not hub.present(model(upscaler)):
        return picture.resize(size, Image.Resampling.LANCZOS), BY_LANCZOS
    network = _network(str(hub.folder_of(model(upscaler))), device)
    by = int(network.config.upscale)
    pixels = torch.from_numpy(np.array(picture, dtype=np.float32) / 255).permute(2, 0, 1)[None]

    @torch.no_grad()
    def larger(part: Tensor) -> Tensor:
        report.check()
        height, width = part.shape[-2:]
        window = int(network.config.window_size)  # of attention, which takes whole ones only
        whole = torch.nn.functional.pad(part, (0, -width % window, 0, -height % window), mode="replicate")
        made = network(whole.to(device)).reconstruction
        return made[..., : height * by, : width * by].float().cpu()

    made = mapped(pixels, larger, tile=TILE, scale=Fraction(by))
    array = (made[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(array).resize(size, Image.Resampling.LANCZOS), BY_MODEL


@lru_cache(maxsize=1)
def _network(folder: str, device: str) -> Any:
    from transformers import Swin2SRForImageSuperResolution

    try:
        network = Swin2SRForImageSuperResolution.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        detail = f"{folder}: {type(error).__name__}: {error}"
        raise bad_weights("The upscaling model cannot be read. Please tell us.", detail=detail) from error
    return network.requires_grad_(False).eval().to(device)
