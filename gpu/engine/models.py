"""Bases in memory: SDXL's classes, loaded once and kept warm between jobs.

Loads safetensors alone. On a CPU everything is float32; on a GPU pictures are made in float16 and LoRAs are trained
on a bfloat16 copy, and the text encoders and the VAE rest in host memory while the UNet works on a small card.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from gpu.engine.catalogue import BaseFacts, describe
from gpu.engine.failures import Failure, bad_weights, missing_file

Use = Literal["pictures", "training"]

PROMPTS_KEPT = 256  # embeddings of SDXL are 650 kB each
SMALL_CARD = 12 * 2**30  # bytes; below, text encoders and VAE leave the GPU while the UNet works
VAE_TILE = 512  # pixels
CONFIGURATION = ["*.json", "*/*.json", "*/*.txt"]


@dataclass(frozen=True)
class Prompt:
    """Embeddings of one prompt: `tokens` (1, length, width of both encoders), `pooled` (1, width of the second)."""

    tokens: Tensor
    pooled: Tensor


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
    offload: bool = False
    # what the text encoders' weights are at the moment: part of the key of every cached embedding
    text_state: tuple[Any, ...] = ()
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

    # --- text ---

    @torch.no_grad()
    def prompt(self, text: str) -> Prompt:
        """Embeds one prompt, cut at the tokenizers' length. Kept while the text encoders stay as they are."""
        key = (text, *self.text_state)
        if key in self._prompts:
            self._prompts.move_to_end(key)
            return self._prompts[key]
        parts, pooled = [], None
        for tokenizer, encoder in zip(self.tokenizers, self.text_encoders, strict=True):
            ids = tokenizer(
                text,
                padding="max_length",
                max_length=tokenizer.model_max_length,
                truncation=True,
                return_tensors="pt",
            ).input_ids
            with self._present(encoder):
                output = encoder(ids.to(self.device), output_hidden_states=True)
            parts.append(output.hidden_states[-2])  # both encoders give their last but one layer (SDXL, section 2.1)
            pooled = getattr(output, "text_embeds", pooled)
        assert pooled is not None
        prompt = Prompt(tokens=torch.cat(parts, dim=-1), pooled=pooled)
        self._prompts[key] = prompt
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
        with self._present(self.vae):
            encoded = self.vae.encode(pictures.to(self.device, self.dtype))
        scaling = float(self.vae.config["scaling_factor"])
        if isinstance(self.vae, AutoencoderTiny):
            return encoded.latents.float() * scaling, None
        spread = encoded.latent_dist
        return spread.mean.float() * scaling, spread.std.float() * scaling

    @torch.no_grad()
    def decode(self, latents: Tensor, *, precise: bool = False) -> Tensor:
        """Pictures from scaled latents, as float32. `precise` works in float32 whatever the base's precision is."""
        # SDXL's first VAE overflows in float16 and says so in its configuration
        dtype = torch.float32 if precise or self.vae.config.get("force_upcast") else self.dtype
        with self._present(self.vae), precision(self.vae, dtype):
            picture = self.vae.decode(latents.to(dtype) / float(self.vae.config["scaling_factor"])).sample
        return picture.float()

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

    @contextmanager
    def _present(self, module: nn.Module) -> Iterator[None]:
        """Brings a resting module to the device for a while; costs nothing where everything is resident."""
        if not self.offload:
            yield
            return
        module.to(self.device)
        try:
            yield
        finally:
            module.to("cpu")


@contextmanager
def precision(module: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Has a module compute in `dtype` for a while."""
    own = next(module.parameters()).dtype
    if own == dtype:
        yield
        return
    module.to(dtype=dtype)
    try:
        yield
    finally:
        module.to(dtype=own)


class Shelf:
    """Keeps the base that was used last. A second one would not fit on the cards this is made for."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._key: tuple[str, Use] | None = None
        self._base: Base | None = None

    def has(self, name: str, use: Use) -> bool:
        return self._key == self._key_of(name, use)

    def take(self, name: str, use: Use) -> Base:
        """The base, loaded if need be. Raises Failure `missing_file` or `bad_weights`."""
        if not self.has(name, use):
            self.clear()  # two would not fit
            self._base = load(name, self.device, use)
            self._key = self._key_of(name, use)
        assert self._base is not None
        return self._base

    def clear(self) -> None:
        self._base, self._key = None, None
        if self.device != "cpu":
            torch.cuda.empty_cache()

    def _key_of(self, name: str, use: Use) -> tuple[str, Use]:
        return name, ("pictures" if self.device == "cpu" else use)  # one precision serves both on a CPU


def dtype_for(device: str, use: Use) -> torch.dtype:
    if device == "cpu":
        return torch.float32
    if use == "training" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float16


def load(name: str, device: str, use: Use = "pictures") -> Base:
    """Reads a base from its folder, or from the hub's cache, downloading it the first time."""
    facts = describe(name)
    folder, vae_folder = _folders(facts)
    offload = device != "cpu" and torch.cuda.get_device_properties(device).total_memory < SMALL_CARD
    try:
        base = _read(facts, folder, vae_folder, torch.device(device), dtype_for(device, use))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        detail = f"{folder}: {type(error).__name__}: {error}"
        raise bad_weights(
            "The model of this job cannot be read. Please tell us, we have to repair it.", detail=detail
        ) from error
    base.offload = offload
    parts: list[nn.Module] = [base.unet, base.vae, *base.text_encoders]
    for module in parts:
        module.requires_grad_(False).eval()
        if module is base.unet or not offload:
            module.to(base.device)
    if isinstance(base.vae, AutoencoderKL):
        # tiles of 512 px cap the decoder's working memory at 1.3 GiB; the default of 1024 never splits anything
        base.vae.enable_tiling()
        base.vae.tile_sample_min_size = VAE_TILE
        base.vae.tile_latent_min_size = VAE_TILE // base.scale
    return base


def _read(facts: BaseFacts, folder: Path, vae_folder: Path, device: torch.device, dtype: torch.dtype) -> Base:
    vae_part = vae_folder / "vae" if (vae_folder / "vae").is_dir() else vae_folder
    vae_class = (
        AutoencoderTiny if _json(vae_part / "config.json")["_class_name"] == "AutoencoderTiny" else AutoencoderKL
    )
    return Base(
        facts=facts,
        device=device,
        dtype=dtype,
        unet=_weights(UNet2DConditionModel, folder / "unet", torch_dtype=dtype),
        vae=_weights(vae_class, vae_part, torch_dtype=dtype),
        text_encoders=(
            _weights(CLIPTextModel, folder / "text_encoder", dtype=dtype),
            _weights(CLIPTextModelWithProjection, folder / "text_encoder_2", dtype=dtype),
        ),
        tokenizers=(
            CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
            CLIPTokenizer.from_pretrained(folder / "tokenizer_2", local_files_only=True),
        ),
        scheduler_config=_json(folder / "scheduler" / "scheduler_config.json"),
        zero_unconditional=bool(_json(folder / "model_index.json").get("force_zeros_for_empty_prompt", True)),
    )


def _weights(cls: Any, part: Path, **precision: torch.dtype) -> Any:
    """One component, from safetensors alone; the half-precision file where a folder has both or only that."""
    variant = "fp16" if any(part.glob("*.fp16.safetensors")) else None
    return cls.from_pretrained(part, variant=variant, use_safetensors=True, local_files_only=True, **precision)


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def _folders(facts: BaseFacts) -> tuple[Path, Path]:
    """Where the base and its VAE lie, fetched from the hub where they come from there."""
    if facts.folder:
        folder = Path(facts.folder)
        if not (folder / "model_index.json").is_file():
            raise missing_file(f"The base model “{facts.title}”", folder)
        return folder, folder
    folder = _fetch(facts.repository, facts.revision, [*CONFIGURATION, "*/*.fp16.safetensors"])
    if not any((folder / "unet").glob("*.safetensors")):  # a repository without half-precision files
        folder = _fetch(facts.repository, facts.revision, [*CONFIGURATION, "*/*.safetensors"])
    if not facts.vae_repository:
        return folder, folder
    return folder, _fetch(
        facts.vae_repository, facts.vae_revision, ["config.json", "diffusion_pytorch_model.safetensors"]
    )


def _fetch(repository: str, revision: str, files: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=files))
    except Exception as error:  # the hub's client raises many kinds; each means that there is no model
        raise Failure(
            "missing_file",
            "The base model could not be fetched. Check BASE_MODEL and the connection to the model hub.",
            detail=f"{repository}@{revision}: {type(error).__name__}: {error}",
        ) from error
