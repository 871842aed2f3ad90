"""A base of the real classes, as small as they get, with random weights: what most engine tests run on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, DPMSolverMultistepScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from gpu.engine.catalogue import STARTER_FOLDER
from gpu.engine.studio import Studio

TOKENS = 16
SIDE = 64  # pixels, native


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """Letters alone, without a single merge."""
    letters = "abcdefghijklmnopqrstuvwxyz,.-'"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=TOKENS, pad_token="<|endoftext|>"
    )


def _text_config(vocabulary: int, width: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )


def make_tiny_base(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    tokenizer = _tokenizer(folder.parent / f"{folder.name}-words")
    size = len(tokenizer)
    pipeline = StableDiffusionXLPipeline(
        vae=AutoencoderTiny(
            encoder_block_out_channels=(8, 8, 8),
            decoder_block_out_channels=(8, 8, 8),
            num_encoder_blocks=(1, 1, 1),
            num_decoder_blocks=(1, 1, 1),
        ),
        text_encoder=CLIPTextModel(_text_config(size, 16)),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(size, 24)),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=UNet2DConditionModel(
            sample_size=SIDE // 4,
            block_out_channels=(16, 32),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=1,
            attention_head_dim=(2, 4),
            cross_attention_dim=40,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 24,
            norm_num_groups=8,
        ),
        scheduler=DPMSolverMultistepScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
        ),
        add_watermarker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="session")
def paintings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Eight pictures of three shapes: stripes in two colours, which a LoRA can learn."""
    folder = tmp_path_factory.mktemp("paintings")
    paths = []
    for number, (width, height) in enumerate(
        [(64, 64), (64, 64), (48, 96), (96, 48), (64, 64), (48, 96), (64, 64), (96, 48)]
    ):
        rows = np.arange(height)[:, None] + np.arange(width)[None, :] + number
        stripe = (rows // 6 % 2)[..., None]
        picture = np.where(stripe, (220, 30, 40), (20, 30, 90)).astype(np.uint8)
        paths.append(folder / f"{number}.png")
        Image.fromarray(picture).save(paths[-1])
    return paths


@pytest.fixture(scope="session")
def starter() -> Path:
    if not (STARTER_FOLDER / "model_index.json").is_file():
        pytest.skip("the bundled starter base is not in this checkout")
    return STARTER_FOLDER


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # models this small only lose by sharing; the tests beside them need the other core


@pytest.fixture(scope="session")
def studio() -> Studio:
    """What runs whole jobs, its last base kept warm."""
    return Studio("cpu")


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings whose checkpoints are not compared at the end, which would take longer than such a small training."""
    monkeypatch.setattr("gpu.engine.judging.run", lambda *given: given[-1].phase("judging"))
