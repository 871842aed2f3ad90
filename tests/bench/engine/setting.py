"""What a run of the benchmark works on: a device, a base, and how often each thing is done."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor

from gpu.engine.catalogue import STARTER_FOLDER
from gpu.engine.contract import StyleWeight
from gpu.engine.lora import Mixer, Trainable, write_lora
from gpu.engine.models import Base, load
from gpu.engine.pipelines.painting import Recipe
from tests.bench.engine import random_models

CAP = 7.0  # GiB reserved by the allocator: what a card of 8 GB leaves


@dataclass(frozen=True)
class Setting:
    """`folder` holds the base in diffusers' layout, `scratch` is emptied afterwards. Sides in pixels."""

    device: str
    folder: Path
    scratch: Path
    side: int
    steps: int
    guidance: float
    runs: int
    switches: int = 100

    @property
    def on_gpu(self) -> bool:
        return self.device != "cpu"

    @property
    def dtype(self) -> torch.dtype:
        return torch.float16 if self.on_gpu else torch.float32

    def settle(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    @property
    def recipe(self) -> Recipe:
        return Recipe(
            prompt="a red fox on a hill",
            negative_prompt="a blue bird",
            width=self.side,
            height=self.side,
            steps=self.steps,
            guidance=self.guidance,
            seed=7,
        )

    @cached_property
    def base(self) -> Base:
        return load(str(self.folder), self.device)

    @cached_property
    def mixer(self) -> Mixer:
        return Mixer(self.base)

    @cached_property
    def styles(self) -> list[StyleWeight]:
        """Two styles of different ranks, on the layers that a training of this base touches."""
        return [random_style(self.base, self.scratch / f"style-{rank}.safetensors", rank) for rank in (16, 8)]

    def pipeline(self) -> StableDiffusionXLPipeline:
        """The library's own, as its documentation has it, with our sampler and our VAE."""
        pipeline = StableDiffusionXLPipeline.from_pretrained(self.folder, torch_dtype=self.dtype)
        pipeline.scheduler = self.base.scheduler()
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def unet_inputs(self, samples: int = 2) -> dict[str, Any]:
        """Arguments of one UNet pass with guidance: latents, a timestep and conditioning."""
        base, prompt = self.base, self.base.prompt(self.recipe.prompt)
        side = self.side // base.scale
        channels = base.unet.config["in_channels"]
        noise = torch.randn(samples, channels, side, side, generator=torch.Generator().manual_seed(0))
        return {
            "sample": noise.to(self.device, self.dtype),
            "timestep": 500,
            "encoder_hidden_states": prompt.tokens.expand(samples, -1, -1),
            "added_cond_kwargs": {
                "text_embeds": prompt.pooled.expand(samples, -1),
                "time_ids": base.time_ids(self.side, self.side).to(self.dtype).expand(samples, -1),
            },
        }

    @torch.no_grad()
    def predict(self, unet: Any, inputs: dict[str, Any]) -> Tensor:
        return unet(**inputs, return_dict=False)[0]


def starter(scratch: Path, *, quick: bool, device: str = "cpu", models: Path | None = None) -> Setting:
    """The bundled base, which needs neither a GPU nor a folder for models."""
    torch.set_num_threads(1)  # models this small only lose by sharing
    return Setting(
        device=device,
        folder=STARTER_FOLDER,
        scratch=scratch,
        side=128,
        steps=10 if quick else 20,
        guidance=4.0,
        runs=5 if quick else 15,
    )


def full(scratch: Path, *, quick: bool, device: str, models: Path) -> Setting:
    """SDXL at full size with random weights, within the cap of an 8 GB card."""
    os.environ["ENGINE_PROFILE"] = "8gb"
    folder = random_models.sdxl(models / "sdxl", device)
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, CAP * 2**30 / total), device)
    return Setting(
        device=device,
        folder=folder,
        scratch=scratch,
        side=1024,
        steps=30,
        guidance=6.0,
        runs=3 if quick else 5,
    )


def rehearsal(scratch: Path, folder: Path) -> Setting:
    """Any base, once, on a CPU: whether the harness itself works."""
    return Setting(device="cpu", folder=folder, scratch=scratch, side=64, steps=4, guidance=4.0, runs=1, switches=6)


def random_style(base: Base, path: Path, rank: int) -> StyleWeight:
    """As a training would leave it, with random numbers strong enough to be seen."""
    lora = Trainable(base, endings=base.facts.training.targets, rank=rank, alpha=rank, seed=rank)
    generator = torch.Generator().manual_seed(rank)
    with torch.no_grad():
        for up in lora.up.values():
            up.copy_(torch.randn(up.shape, generator=generator) * 0.05)
    return StyleWeight(path=str(path), sha256=write_lora(path, lora.layers(), rank, {}), weight=1.0)
