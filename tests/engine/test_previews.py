"""Previews by a tiny decoder where one is on this machine, and put where they belong."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from PIL import Image

from gpu.engine.models import Base, load
from gpu.engine.pipelines.painting import preview
from tests.engine.makers import Heard


@pytest.fixture
def base(tiny_base: Path) -> Base:
    """With a full VAE, as SDXL has: decoding it for each preview would cost too much."""
    base = load(str(tiny_base), "cpu")
    base.vae = AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
        latent_channels=4,
    ).eval()
    return base


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def _opened(webp: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(webp))) as image:
        return np.asarray(image.convert("RGB"), dtype=int)


def test_a_tiny_decoder_draws_the_preview_where_it_is_here(
    base: Base, latents: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELS_DIR", str(tmp_path))
    base.facts = replace(base.facts, preview_vae="taesdxl")
    rough = _opened(preview(base, latents))
    torch.manual_seed(4)
    tiny = AutoencoderTiny(encoder_block_out_channels=(8, 8, 8), decoder_block_out_channels=(8, 8, 8),
                           num_encoder_blocks=(1, 1, 1), num_decoder_blocks=(1, 1, 1))  # fmt: skip
    tiny.save_pretrained(tmp_path / "taesdxl")
    monkeypatch.setattr("gpu.engine.hub.places._is_whole", lambda folder, model: (folder / "config.json").is_file())
    decoded = tiny.eval().decode(latents / tiny.config["scaling_factor"]).sample
    expected = ((decoded[0].clamp(-1, 1) + 1) * 127.5).byte().permute(1, 2, 0).detach().numpy().astype(int)
    drawn = _opened(preview(base, latents))
    assert drawn.shape == expected.shape
    assert np.abs(drawn - expected).mean() < 10  # WebP is lossy
    assert drawn.shape != rough.shape or np.abs(drawn - rough).mean() > 5


def test_a_preview_of_a_part_is_shown_within_its_picture(base: Base, latents: torch.Tensor) -> None:
    def frame(part: Image.Image) -> Image.Image:
        whole = Image.new("RGB", (200, 100), (0, 0, 255))
        whole.paste(part.resize((50, 50)), (10, 10))
        return whole

    shown = _opened(preview(base, latents, frame))
    assert shown.shape == (100, 200, 3)
    assert np.abs(shown[70:, 80:] - [0, 0, 255]).mean() < 10


def test_a_preview_of_a_huge_picture_is_drawn_from_a_small_copy(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_colours", None)
    seen: list[torch.Size] = []
    real = torch.nn.functional.interpolate

    def watched(given: torch.Tensor, **how: object) -> torch.Tensor:
        seen.append(given.shape)
        return real(given, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.nn.functional, "interpolate", watched)
    webp = preview(base, torch.randn(1, 4, 512, 256, generator=torch.Generator().manual_seed(0)))
    assert max(_opened(webp).shape) <= 384
    assert seen[0][-2:] == (512, 256)
    assert max(seen[1][-2:]) <= 96


def test_a_report_asks_for_a_preview_only_when_one_is_due() -> None:
    heard, drawn = Heard(), []

    def draw() -> str:
        drawn.append(1)
        return ""

    for step in range(50):
        heard.report.preview(step, draw)
    assert len(drawn) == len(heard.of("preview")) < 5
