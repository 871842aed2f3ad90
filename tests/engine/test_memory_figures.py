"""What the memory plans rest on, counted again on the real architectures: parameters, and what lives at once.

The models have their full size and no storage: tensors are fake, operations only say the shapes of their results.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    UNet2DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from gpu.engine.catalogue import SDXL
from gpu.engine.lora.trainable import _beside
from gpu.engine.memory import needs
from gpu.engine.memory.plan import Checkpointing
from gpu.engine.memory.sizes import SDXL_SIZES, FilmSizes, breadth, sizes_of
from gpu.engine.train_lora.blocks import checkpointed

# stabilityai/stable-diffusion-xl-base-1.0, unet/config.json
UNET: dict[str, Any] = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "latent_channels": 4,
}
UP = {"up_block_types": ("UpDecoderBlock2D",) * 4}
SIDE = 512


def _count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


# --- parameters ----------------------------------------------------------------------------------------------------


def test_sdxl_has_as_many_parameters_as_the_plans_say() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(**UNET)
        first = CLIPTextModel(
            CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
        )
        second = CLIPTextModelWithProjection(
            CLIPTextConfig(
                hidden_size=1280,
                intermediate_size=5120,
                num_hidden_layers=32,
                num_attention_heads=20,
                projection_dim=1280,
            )
        )
        vae = AutoencoderKL(**VAE, **UP)
    assert _count(unet) == SDXL_SIZES.unet
    assert _count(first, second) == SDXL_SIZES.text
    assert _count(second) == SDXL_SIZES.largest_text
    assert _count(vae) == SDXL_SIZES.vae
    endings = tuple(f".{target}" for target in SDXL.training.targets)
    touched = [module.weight for name, module in unet.named_modules() if name.endswith(endings)]
    assert sum(sum(weight.shape) for weight in touched) == SDXL_SIZES.lora
    assert round(SDXL_SIZES.unet * 2 / 2**30, 2) == 4.78  # its model card
    assert round(SDXL_SIZES.text * 2 / 2**30, 2) == 1.52
    assert sizes_of(SDXL) is SDXL_SIZES


def test_svd_has_as_many_parameters_as_the_plans_say() -> None:
    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel(num_attention_heads=(5, 10, 20, 20), num_frames=25)
        vae = AutoencoderKLTemporalDecoder(**VAE)
        seeing = CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=1280,
                intermediate_size=5120,
                num_hidden_layers=32,
                num_attention_heads=16,
                projection_dim=1024,
                patch_size=14,
            )
        )
    assert FilmSizes() == FilmSizes(unet=_count(unet), vae=_count(vae), image_encoder=_count(seeing))


def test_a_narrower_unet_holds_less_for_a_pixel() -> None:
    config = {**UNET, "block_out_channels": (160, 320, 640)}
    assert breadth(config) == breadth(UNET) / 2


# --- what lives at once --------------------------------------------------------------------------------------------


class Alive(TorchDispatchMode):
    """Adds up the storages that live, but for those of `known` modules, and keeps the most there ever were."""

    def __init__(self, *known: nn.Module) -> None:
        super().__init__()
        self.now = self.most = 0
        self._seen = {self._key(parameter) for module in known for parameter in module.parameters()}

    @staticmethod
    def _key(tensor: Tensor) -> int:
        return tensor.untyped_storage()._cdata

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._track, result)
        return result

    def _track(self, tensor: Tensor) -> None:
        key, storage = self._key(tensor), tensor.untyped_storage()
        if key in self._seen:
            return
        self._seen.add(key)
        self.now += storage.nbytes()
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._gone, key, storage.nbytes())

    def _gone(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


@contextmanager
def _without_storage() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(before)


def _look(unet: nn.Module, side: int = SIDE) -> Tensor:
    conditioning = {"text_embeds": torch.empty(1, 1280), "time_ids": torch.empty(1, 6)}
    latents, tokens = torch.empty(1, 4, side // 8, side // 8), torch.empty(1, 77, 2048)
    return unet(latents, torch.tensor(500), tokens, added_cond_kwargs=conditioning, return_dict=False)[0]


def test_a_pass_through_the_unet_holds_what_the_plans_say() -> None:
    with _without_storage(), torch.no_grad():
        unet = UNet2DConditionModel(**UNET)
        with Alive(unet) as alive:
            _look(unet)
    assert alive.most / 2 / SIDE**2 == pytest.approx(needs.UNET_FORWARD, rel=0.05)


def test_what_the_vae_holds_is_part_of_its_published_working_memory() -> None:
    """Of 2200 numbers a pixel 768 are tensors; the rest is what cuDNN takes to convolve them."""
    with _without_storage(), torch.no_grad():
        vae = AutoencoderKL(**VAE, **UP)
        with Alive(vae) as alive:
            vae.decode(torch.empty(1, 4, SIDE // 8, SIDE // 8))
    assert alive.most / 2 / SIDE**2 == pytest.approx(768, rel=0.05)
    assert needs.VAE_DECODE > 768


@pytest.mark.long
@pytest.mark.parametrize("how", ["all", "some", "none"])
def test_a_training_step_holds_what_the_plans_say(how: Checkpointing) -> None:
    side = 1024 if how == "all" else SIDE  # little is left to hold: what does not grow with the picture counts
    with _without_storage():
        unet = UNet2DConditionModel(**UNET).requires_grad_(False)
        learned = nn.ParameterList()
        for name, module in list(unet.named_modules()):
            if name.endswith(tuple(f".{target}" for target in SDXL.training.targets)):
                down = nn.Parameter(torch.empty(16, module.weight.shape[1], dtype=torch.float32))
                up = nn.Parameter(torch.empty(module.weight.shape[0], 16, dtype=torch.float32))
                learned.extend([down, up])
                module.register_forward_hook(_beside(module, down, up, 1.0))
        with checkpointed(unet, how), Alive(unet, learned) as alive:
            _look(unet, side).float().square().mean().backward()
    gradients = sum(parameter.nbytes for parameter in learned)
    held = (alive.most - gradients) / 2 / side**2
    assert held <= needs.UNET_TRAINING[how]
    assert held > 0.6 * needs.UNET_TRAINING[how]
