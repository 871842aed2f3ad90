"""A base's twin for inpainting: the same text encoders and VAE, with a UNet that was taught to fill holes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn

from gpu.engine import hub
from gpu.engine.catalogue import model
from gpu.engine.contract import PictureSpec
from gpu.engine.failures import bad_weights
from gpu.engine.lora import Mixer
from gpu.engine.memory.guests import rest
from gpu.engine.models import Base
from gpu.engine.report import Report


@contextmanager
def filling(spec: PictureSpec, base: Base, mixer: Mixer, report: Report) -> Iterator[tuple[Base, Mixer]]:
    """The base to fill holes with: its twin where the catalogue names one and it is on this machine, else itself.

    The base's own UNet rests in host memory meanwhile: two of them fit on no small card. The twin is read anew for each
    job, some seconds for SDXL's. *fast* stays with the base, whose few-step LoRA knows no other UNet.
    """
    name = base.facts.inpaint
    if not name or spec.tier == "fast" or not hub.present(model(name)):
        yield base, mixer
        return
    try:
        with report.loading():
            mixer.mix([])  # the text encoders are shared: the twin's mixer has to find them bare
            if base.device.type != "cpu":
                rest(base.unet)
            unet = _read(name, base)
            _place(unet, base.device)
        # embeddings are shared; copies of the other UNet's weights are not
        twin = replace(base, unet=unet, words={}, masters=None, _small=None)
        own = Mixer(twin)
        try:
            yield twin, own
        finally:
            own.mix([])
            _place(unet, "cpu")
    finally:
        _place(base.unet, base.device)


def _place(module: nn.Module, device: torch.device | str) -> None:
    module.to(device)


def _read(name: str, base: Base) -> UNet2DConditionModel:
    folder = hub.folder_of(model(name)) / "unet"
    variant = "fp16" if any(folder.glob("*.fp16.safetensors")) else None
    try:
        unet = UNet2DConditionModel.from_pretrained(
            folder, variant=variant, use_safetensors=True, local_files_only=True, torch_dtype=base.dtype
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        detail = f"{folder}: {type(error).__name__}: {error}"
        raise bad_weights("The model that fills holes cannot be read. Please tell us.", detail=detail) from error
    return unet.requires_grad_(False).eval()
