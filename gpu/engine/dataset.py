"""References as the trainer sees them: fitted to buckets, encoded once, with their captions' embeddings beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from gpu.engine.catalogue import Size, kept_share, nearest_bucket
from gpu.engine.contract import TrainingImage
from gpu.engine.failures import Failure, missing_file
from gpu.engine.models import Base
from gpu.engine.prompts import Prompt, level


def open_reference(path: Path) -> Image.Image:
    """An upright RGB picture. Raises Failure `missing_file` or `bad_image`."""
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError as error:
        raise missing_file("A reference image", path) from error
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise Failure(
            "bad_image",
            "A reference image cannot be read. Remove it from the style or upload it again.",
            detail=f"{path}: {error}",
            retryable=False,
        ) from error


def fit(image: Image.Image, size: Size) -> Image.Image:
    """Scaled to cover `size`, then cropped around its centre."""
    return ImageOps.fit(image, size, method=Image.Resampling.LANCZOS, centering=(0.5, 0.5))


def to_tensor(image: Image.Image) -> Tensor:
    """(3, h, w) in -1..1."""
    array = np.asarray(image, dtype=np.float32) / 127.5 - 1
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


@dataclass(frozen=True)
class Latents:
    """One picture as the VAE has it, (1 or 2, c, h, w): as it is and, if so, flipped. `kept` is what the crop left."""

    size: Size
    kept: float  # share of the picture's area
    mean: Tensor
    spread: Tensor | None

    def as_tensors(self) -> dict[str, Tensor]:
        spread = {} if self.spread is None else {"spread": self.spread}
        return {"mean": self.mean, "facts": torch.tensor([*self.size, self.kept], dtype=torch.float64), **spread}

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> Latents:
        width, height, kept = tensors["facts"].tolist()
        return cls((round(width), round(height)), kept, tensors["mean"], tensors.get("spread"))


@dataclass(frozen=True)
class Reference:
    """One encoded reference: its latents as in `Latents`, and the words it is learned with. It rests in host memory."""

    image: str
    size: Size
    mean: Tensor
    spread: Tensor | None
    text: str
    prompt: Prompt


@dataclass(frozen=True)
class Batch:
    """Pictures of one size on the device: `latents` (n, c, h, w), embeddings `tokens` (n, l, d), `pooled` (n, p)."""

    size: Size
    latents: Tensor
    tokens: Tensor
    pooled: Tensor


def caption_with_trigger(caption: str, trigger_word: str) -> str:
    return f"{caption}, {trigger_word}" if caption else trigger_word


def encode_picture(base: Base, picture: Image.Image, *, sizes: Sequence[Size], flip: bool) -> Latents:
    """Fitted to the size whose shape crops least, and through the VAE. Raises Failure `bad_image`."""
    size = nearest_bucket(*picture.size, sizes)
    pixels = to_tensor(fit(picture, size))
    mean, spread = base.encode(torch.stack([pixels, pixels.flip(-1)] if flip else [pixels]))
    if not torch.isfinite(mean).all():
        raise Failure("bad_image", "A reference image cannot be learned: the model makes nothing of it. Remove it.")
    kept = kept_share(*picture.size, size)
    return Latents(size=size, kept=kept, mean=mean.cpu(), spread=None if spread is None else spread.cpu())


def encode(
    base: Base,
    image: TrainingImage,
    *,
    sizes: Sequence[Size],
    flip: bool,
    trigger_word: str,
) -> tuple[Reference, float]:
    """Encodes one reference, and says how much of its area the crop kept."""
    latents = encode_picture(base, open_reference(Path(image.path)), sizes=sizes, flip=flip)
    text = caption_with_trigger(image.caption, trigger_word)
    return reference_of(image.id, latents, text, base.prompt(text)), latents.kept


def reference_of(image: str, latents: Latents, text: str, prompt: Prompt) -> Reference:
    resting = Prompt(tokens=prompt.tokens.cpu(), pooled=prompt.pooled.cpu())
    return Reference(
        image=image, size=latents.size, mean=latents.mean, spread=latents.spread, text=text, prompt=resting
    )


def draws(seed: int, of: str, number: int) -> torch.Generator:
    """The random draws of one step or epoch: independent streams, known from their names alone."""
    digest = hashlib.sha256(f"{seed}/{of}/{number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little"))


class Order:
    """Which references a step sees: every reference once an epoch, shuffled, a pure function of seed and step.

    `of` names the set, so that two sets in one run are shuffled apart.
    """

    def __init__(self, count: int, batch: int, seed: int, *, of: str = "epoch") -> None:
        self.count, self.batch, self.seed, self.of = count, batch, seed, of

    def at(self, step: int) -> list[int]:
        """Indices of the `batch` references of `step`, which counts from 1."""
        first = (step - 1) * self.batch
        return [self._epoch(place // self.count)[place % self.count] for place in range(first, first + self.batch)]

    def _epoch(self, number: int) -> list[int]:
        return torch.randperm(self.count, generator=draws(self.seed, self.of, number)).tolist()


def batches(
    references: Sequence[Reference],
    *,
    empty: Prompt,
    dropout: float,
    most: int,
    generator: torch.Generator,
    embed: Callable[[str], Prompt] | None = None,
) -> Iterator[Batch]:
    """The references of one step, grouped by size, at most `most` at a time.

    Draws from `generator` in the order of the references: whether a caption is dropped (`empty` takes its place),
    which of the flipped pair is seen, and the VAE's own noise. With `embed` words are embedded anew for each batch,
    for a training that moves what they mean; else the embeddings made before are used.
    """
    groups: dict[Size, list[tuple[Tensor, Reference | None]]] = {}
    for reference in references:
        dropped = torch.rand((), generator=generator).item() < dropout
        variant = int(torch.randint(len(reference.mean), (), generator=generator))
        latents = reference.mean[variant]
        if reference.spread is not None:
            noise = torch.randn(latents.shape, generator=generator)
            latents = latents + reference.spread[variant] * noise
        groups.setdefault(reference.size, []).append((latents, None if dropped else reference))

    def prompt_of(reference: Reference | None) -> Prompt:
        if reference is None:
            return empty
        return embed(reference.text) if embed else reference.prompt

    device = empty.tokens.device
    for size, members in groups.items():
        for start in range(0, len(members), most):
            part = members[start : start + most]
            prompts = level([prompt_of(reference) for _, reference in part])
            yield Batch(
                size=size,
                latents=torch.stack([latents for latents, _ in part]).to(device),
                tokens=torch.cat([prompt.tokens.to(device) for prompt in prompts]),
                pooled=torch.cat([prompt.pooled.to(device) for prompt in prompts]),
            )
