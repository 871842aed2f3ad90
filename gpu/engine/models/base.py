"""One loaded base, and what it can do: embed words, encode and decode pictures."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from gpu.engine.catalogue import BaseFacts
from gpu.engine.memory import Plan
from gpu.engine.memory.compiling import compile_blocks
from gpu.engine.memory.guests import rest, visiting
from gpu.engine.models.masters import Masters
from gpu.engine.prompts import Prompt, embed
from gpu.engine.quantized import FP8, Small
from gpu.engine.tiles import Make, mapped

PROMPTS_KEPT = 256  # embeddings of SDXL are 650 kB each


@dataclass
class Base:
    """One loaded base. All inputs and results of its methods are on `device`; pictures are (n, 3, h, w) in -1..1."""

    facts: BaseFacts
    device: torch.device
    dtype: torch.dtype
    unet: UNet2DConditionModel
    vae: AutoencoderKL | AutoencoderTiny
    text_encoders: tuple[CLIPTextModel, CLIPTextModelWithProjection]
    tokenizers: tuple[CLIPTokenizer, CLIPTokenizer]
    scheduler_config: dict[str, Any]
    zero_unconditional: bool  # the empty negative prompt is all zeros rather than the embedding of ""
    plan: Plan = field(default_factory=Plan)  # how the job that runs uses memory
    # what the text encoders' weights are at the moment: part of the key of every cached embedding
    text_state: tuple[Any, ...] = ()
    # words that were learned: a trigger word and its vectors for each text encoder, (n, width) each
    words: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    masters: Masters | None = None  # the weights as they were read, in host memory, where there is room for them
    spent: bool = False  # the UNet's weights are not those that were read any more, and cannot be had back
    _small: Small | None = None
    _prompts: OrderedDict[tuple[Any, ...], Prompt] = field(default_factory=OrderedDict)
    _colours: Tensor | None = None

    @property
    def scale(self) -> int:
        """Pixels of a side for one latent."""
        config = self.vae.config
        channels = config.get("encoder_block_out_channels") or config["block_out_channels"]
        return int(2 ** (len(channels) - 1))

    @property
    def stride(self) -> int:
        """Sides of pictures must be a multiple of this: the UNet halves latents once for each block but the last."""
        return self.scale * 2 ** (len(self.unet.config["block_out_channels"]) - 1)

    def scheduler(self) -> DPMSolverMultistepScheduler:
        """A fresh DPM++ 2M sampler with the base's own noise schedule and prediction type."""
        wanted = {"algorithm_type": "dpmsolver++", "solver_order": 2, **self.facts.sampler}
        return DPMSolverMultistepScheduler.from_config(self.scheduler_config, **wanted)

    @property
    def prediction(self) -> str:
        """`epsilon` or `v_prediction`."""
        return str(self.scheduler_config.get("prediction_type", "epsilon"))

    def time_ids(self, width: int, height: int) -> Tensor:
        """SDXL's size conditioning: original size, crop corner and target size, all of the picture itself. (1, 6)."""
        sizes = [height, width, 0, 0, height, width]
        return torch.tensor([sizes], dtype=torch.float32, device=self.device)

    # --- memory ---

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The modules with weights, by the names that files give them."""
        first, second = self.text_encoders
        return {"unet": self.unet, "vae": self.vae, "text_encoder": first, "text_encoder_2": second}

    def adopt(self, plan: Plan) -> None:
        """Arranges the base as a memory plan says. What is to rest leaves the device; what is resident comes to it."""
        self.plan = plan
        self._place("text_encoder", resting=plan.text == "swapped")
        self._place("text_encoder_2", resting=plan.text == "swapped")
        self._place("vae", resting=plan.vae == "swapped")
        if (plan.storage == "fp8") != (self._small is not None):
            self._grow() if self._small else self._shrink()
        compile_blocks(self.unet, wanted=plan.compiled and self.device.type == "cuda")

    def become(self, dtype: torch.dtype) -> None:
        """Has the bare base work in another precision, from its masters, without a second copy on the device."""
        assert self.masters is not None, "without masters a base is read again"
        self._grow()
        self.dtype = dtype
        for name, parameter in self.unet.named_parameters():
            form = torch.channels_last if parameter.dim() == 4 else torch.preserve_format
            parameter.data = (
                self.masters[f"unet.{name}"].to(self.device, non_blocking=True, copy=True).to(dtype, memory_format=form)
            )
        self.forget_prompts()
        self._colours = None

    def leave(self) -> None:
        """Takes the bare base off the device: it rests on its masters, until it becomes something again."""
        assert self.masters is not None, "without masters there is nothing to rest on"
        self._grow()
        for part, module in self.parts.items():
            self.masters.carry(part, module)
        self.forget_prompts()
        self._colours = None

    def master_of(self, name: str) -> Tensor | None:
        """A weight as it was read, such as `unet.conv_in.weight`; None where no copy of it is kept."""
        if self.masters is not None:
            return self.masters.get(name)
        return None if self._small is None else self._small.master_of(name.removeprefix("unet."))

    def _place(self, part: str, *, resting: bool) -> None:
        module = self.parts[part]
        if self.device.type == "cpu":
            return
        if not resting:
            module.to(self.device, self.dtype)
        elif self.masters is not None and (part == "vae" or not self.text_state):
            self.masters.carry(part, module)
        else:  # with a style in it, or without masters: its own copy, which is made once
            rest(module)

    def _shrink(self) -> None:
        masters = None if self.masters is None else self.masters.of("unet")
        if masters is None and self.device.type == "cpu":  # memory is not what a CPU's fp8 is for
            masters = {name: weight.detach().clone() for name, weight in self.unet.named_parameters()}
        self._small = Small(self.unet, masters)

    def _grow(self) -> None:
        if self._small is None:
            return
        self._small.restore()
        self.spent = self.spent or not self._small.exact
        self._small = None

    @contextmanager
    def present(self, module: nn.Module) -> Iterator[None]:
        """Brings a resting module to the device for a while; costs nothing where it is resident."""
        with visiting(module, self.device, self.dtype):
            yield

    @contextmanager
    def in_safe_precision(self) -> Iterator[None]:
        """Works in numbers that do not overflow, for a base that did in float16; its weights come back bit for bit.

        On a GPU these are bfloat16's, which have float32's range and need no more memory than float16's.
        """
        own, safe = self.dtype, torch.float32 if self.device.type == "cpu" else torch.bfloat16
        aside = {}
        self.dtype = safe
        self.forget_prompts()
        try:
            for name, parameter in self.unet.named_parameters():
                if parameter.dtype != FP8:
                    aside[name] = parameter.data.to("cpu")
                    parameter.data = parameter.data.to(safe)
            with ExitStack() as stack:
                for encoder in self.text_encoders:
                    stack.enter_context(precision(encoder, safe))
                yield
        finally:
            self.dtype = own
            self.forget_prompts()
            for name, parameter in self.unet.named_parameters():
                if name in aside:
                    parameter.data = aside[name].to(self.device)

    # --- text ---

    def prompt(self, text: str) -> Prompt:
        """Embeds one prompt (`gpu.engine.prompts`). Kept while the text encoders and learned words stay as they are.

        Words that are being learned get their gradients, and nothing of that is kept.
        """
        if torch.is_grad_enabled() and any(part.requires_grad for both in self.words.values() for part in both):
            return embed(self, text)
        key = (text, *self.text_state)
        if key in self._prompts:
            self._prompts.move_to_end(key)
            return _at(self._prompts[key], self.device)
        with torch.no_grad():
            prompt = embed(self, text)
        self._prompts[key] = _at(prompt, torch.device("cpu"))  # all of them would fill 160 MB of a small card
        if len(self._prompts) > PROMPTS_KEPT:
            self._prompts.popitem(last=False)
        return prompt

    def unconditional(self, negative: str = "") -> Prompt:
        """What guidance pushes away from: the negative prompt, or this base's own idea of no prompt at all."""
        prompt = self.prompt(negative)
        if negative or not self.zero_unconditional:
            return prompt
        return Prompt(tokens=torch.zeros_like(prompt.tokens), pooled=torch.zeros_like(prompt.pooled))

    # --- pictures ---

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """Scaled latents as (mean, standard deviation); None where the VAE is deterministic. float32."""
        scaling = float(self.vae.config["scaling_factor"])

        def make(part: Tensor) -> Tensor:
            encoded = self.vae.encode(part)
            if isinstance(self.vae, AutoencoderTiny):
                return encoded.latents
            return torch.cat([encoded.latent_dist.mean, encoded.latent_dist.std], dim=1)

        latents = self._through_vae(pictures.to(self.device), make, Fraction(1, self.scale)) * scaling
        if isinstance(self.vae, AutoencoderTiny):
            return latents, None
        mean, spread = latents.chunk(2, dim=1)
        return mean, spread

    @torch.no_grad()
    def decode(self, latents: Tensor, *, precise: bool = False) -> Tensor:
        """Pictures from scaled latents, as float32. `precise` works in float32 whatever the base's precision is."""
        scaling = float(self.vae.config["scaling_factor"])
        return self._through_vae(
            latents, lambda part: self.vae.decode(part / scaling).sample, Fraction(self.scale), precise=precise
        )

    def _through_vae(self, whole: Tensor, make: Make, scale: Fraction, *, precise: bool = False) -> Tensor:
        """`make` over pictures or latents, in the plan's tiles where they are larger than one. float32."""
        # SDXL's first VAE overflows in float16 and says so in its configuration
        dtype = torch.float32 if precise or self.vae.config.get("force_upcast") else self.dtype
        tile = self.plan.tile
        if tile is not None and dtype.itemsize > self.dtype.itemsize:
            tile //= 2  # numbers of twice the size: a quarter of the area keeps within the plan
        with self.present(self.vae), precision(self.vae, dtype):
            whole = whole.to(dtype)
            if tile is None:
                return make(whole).float()
            step = self.scale if scale < 1 else 1  # what is made smaller begins at whole latents
            return mapped(whole, make, tile=tile * step // self.scale, scale=scale, step=step)

    def latent_colours(self) -> Tensor:
        """A linear map (channels + 1, 3) from a latent to its colour in -1..1, by least squares over flat colours."""
        if self._colours is None:
            levels = torch.tensor([-1.0, 0.0, 1.0])
            colours = torch.cartesian_prod(levels, levels, levels)  # 27 swatches
            swatches = colours.view(-1, 3, 1, 1).expand(-1, -1, 8 * self.scale, 8 * self.scale)
            latents = torch.cat([self.encode(swatch[None])[0][:, :, 4, 4] for swatch in swatches]).cpu()
            known = torch.cat([latents, torch.ones(len(latents), 1)], dim=1)
            self._colours = torch.linalg.lstsq(known, colours).solution.to(self.device)
        return self._colours

    def forget_prompts(self) -> None:
        self._prompts.clear()


def _at(prompt: Prompt, device: torch.device) -> Prompt:
    if prompt.tokens.device == device:
        return prompt
    return Prompt(tokens=prompt.tokens.to(device), pooled=prompt.pooled.to(device))


@contextmanager
def precision(module: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Has a module compute in `dtype` for a while. Its own weights come back as they were, to the last bit."""
    own = {name: tensor.data for name, tensor in module.named_parameters()}
    if all(tensor.dtype == dtype for tensor in own.values()):
        yield
        return
    module.to(dtype=dtype)
    try:
        yield
    finally:
        for name, parameter in module.named_parameters():
            parameter.data = own[name]
