"""The shipped folder is an ordinary Stable Diffusion XL one, small enough to live in the repository."""

import pytest
import torch
from diffusers import AutoencoderTiny, StableDiffusionXLPipeline

from gpu.engine import starter

MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionXLPipeline:
    loaded = StableDiffusionXLPipeline.from_pretrained(starter.WEIGHTS, torch_dtype=torch.float32)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def draw(pipeline: StableDiffusionXLPipeline, prompt: str, width: int = 128, height: int = 128) -> torch.Tensor:
    pictures = pipeline(
        prompt,
        width=width,
        height=height,
        num_inference_steps=4,
        guidance_scale=starter.GUIDANCE,
        generator=torch.Generator().manual_seed(5),
        output_type="pt",
    )
    return pictures.images[0]


def test_the_folder_is_small_enough_to_ship() -> None:
    size = sum(path.stat().st_size for path in starter.WEIGHTS.rglob("*") if path.is_file())
    assert 10 * MEBIBYTE < size < 40 * MEBIBYTE


def test_it_loads_with_the_classes_of_sdxl(pipeline) -> None:
    assert pipeline.unet.config.addition_embed_type == "text_time"
    assert pipeline.text_encoder_2.config.architectures == ["CLIPTextModelWithProjection"]
    assert isinstance(pipeline.vae, AutoencoderTiny)
    assert pipeline.tokenizer.model_max_length == starter.TOKENS
    assert pipeline.scheduler.config.prediction_type == "v_prediction"


def test_a_prompt_decides_the_picture(pipeline) -> None:
    fruit = draw(pipeline, "a red apple, noto style")
    again = draw(pipeline, "a red apple, noto style")
    other = draw(pipeline, "a star on a blue background, noto style")
    assert torch.isfinite(fruit).all()
    assert torch.equal(fruit, again)
    assert (fruit - other).abs().mean() > 0.1


def test_a_coloured_ground_is_obeyed(pipeline) -> None:
    red, _, blue = draw(pipeline, "a star on a blue background, noto style")[:, :6, :6].mean(dim=(1, 2))
    assert blue > red + 0.1


@pytest.mark.parametrize("size", starter.SIZES)
def test_every_size_on_offer_can_be_drawn(pipeline, size: tuple[int, int]) -> None:
    width, height = size
    assert draw(pipeline, "a fox", width, height).shape == (3, height, width)


def test_a_prompt_beyond_its_tokens_is_cut_and_drawn(pipeline) -> None:
    assert torch.isfinite(draw(pipeline, "a very long tale of a fox and an owl " * 20)).all()
