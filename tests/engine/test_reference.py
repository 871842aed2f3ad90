"""The trainer that the benchmarks compare with computes what the engine computes, given the same settings and draws."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from gpu.engine.dataset import Batch, draws
from gpu.engine.lora import Trainable
from gpu.engine.models import load
from gpu.engine.objective import NoiseSchedule, loss_of
from tests.bench import reference

GAMMA = 5.0
COUNT, RANK, ALPHA = 4, 3, 6.0


@pytest.fixture(params=["epsilon", "v_prediction"])
def base_folder(request: pytest.FixtureRequest, tiny_base: Path, tmp_path: Path) -> Path:
    """The tiny base, predicting noise on SDXL's own schedule, or velocity."""
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    path = folder / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text()) | {
        "prediction_type": request.param,
        "rescale_betas_zero_snr": request.param == "v_prediction",
    }
    path.write_text(json.dumps(config))
    return folder


def test_loss_and_gradients_are_the_reference_s(base_folder: Path) -> None:
    base = load(str(base_folder), "cpu", "training")
    lora = Trainable(base, endings=reference.ATTENTION, rank=RANK, alpha=ALPHA, seed=3)
    for up in lora.up.values():  # zero at first, which would leave A without a gradient
        torch.nn.init.normal_(up, std=0.2)
    settings = reference.Settings(rank=RANK, alpha=ALPHA, snr_gamma=GAMMA)
    parts = reference.load_parts(base_folder, settings)
    theirs = _copied(lora, parts)

    latents = torch.randn(COUNT, 4, 16, 16)
    prompts = [base.prompt(text) for text in ("a red fox", "an owl", "", "blue")]
    tokens, pooled = torch.cat([p.tokens for p in prompts]), torch.cat([p.pooled for p in prompts])
    batch = Batch(size=(64, 64), latents=latents, tokens=tokens, pooled=pooled)
    schedule = NoiseSchedule(base)
    seed = _seed_without_extremes(schedule, latents)
    lora.attach()
    ours = loss_of(base, batch, schedule, GAMMA, draws(seed, "step", 1)) / COUNT
    lora.detach()
    ours.backward()
    noise, at = _drawn(seed, latents)
    embeddings = reference.embed(parts, ["a red fox", "an owl", "", "blue"])
    plain = reference.reference_loss(parts, latents, embeddings, noise, at, GAMMA)
    plain.backward()

    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=0)
    for name, (down, up) in theirs.items():
        torch.testing.assert_close(lora.down[name].grad, down.grad, rtol=1e-3, atol=1e-7)
        torch.testing.assert_close(lora.up[name].grad, up.grad, rtol=1e-3, atol=1e-7)


def test_the_reference_sees_the_latents_that_the_engine_sees(tiny_base: Path, paintings: list[Path]) -> None:
    base = load(str(tiny_base), "cpu", "training")
    parts = reference.load_parts(tiny_base, reference.TEXT_TO_IMAGE)
    pixels = reference.to_pixels(Image.open(paintings[0]))[None]
    torch.testing.assert_close(reference.encode(parts, pixels), base.encode(pixels)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [reference.TEXT_TO_IMAGE, reference.DREAMBOOTH])
def test_the_reference_learns_and_writes_a_file_that_diffusers_loads(
    tiny_base: Path, paintings: list[Path], tmp_path: Path, settings: reference.Settings
) -> None:
    parts = reference.load_parts(tiny_base, settings)
    pictures = [Image.open(path).resize((64, 64)) for path in paintings[:2]]
    losses = reference.train_reference(
        parts, pictures, ["stripes"] * 2, settings, seed=1, goes_on=lambda steps: steps < 3
    )
    assert len(losses) == 3
    reference.save(parts, tmp_path)
    fresh = reference.StableDiffusionXLPipeline.from_pretrained(tiny_base)
    fresh.load_lora_weights(tmp_path)
    ups = [weight for name, weight in fresh.unet.named_parameters() if "lora_B" in name]
    assert ups
    assert any(weight.abs().max() > 0 for weight in ups)


def _copied(lora: Trainable, parts: reference.Parts) -> dict[str, tuple[torch.nn.Parameter, torch.nn.Parameter]]:
    """Writes the engine's LoRA into PEFT's layers; returns those by the engine's names."""
    modules = dict(parts.unet.named_modules())
    pairs = {}
    for name in lora.down:
        layer = modules[name.removeprefix("unet.")]
        down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        down.data.copy_(lora.down[name])
        up.data.copy_(lora.up[name])
        pairs[name] = (down, up)
    assert len(pairs) * 2 == len(parts.trainable())
    return pairs


def _drawn(seed: int, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise and timesteps as `loss_of` draws them."""
    generator = draws(seed, "step", 1)
    pairs = [
        (torch.randn(latents.shape[1:], generator=generator), torch.randint(1000, (1,), generator=generator))
        for _ in latents
    ]
    return torch.stack([noise for noise, _ in pairs]), torch.cat([at for _, at in pairs])


def _seed_without_extremes(schedule: NoiseSchedule, latents: torch.Tensor) -> int:
    """A seed whose timesteps are none where the engine's weights leave min-SNR's formula on purpose."""
    for seed in range(1000):
        _, at = _drawn(seed, latents)
        snr = schedule.snr[at]
        velocity = schedule.prediction == "v_prediction"
        if torch.allclose(schedule.weight(at, GAMMA), snr.clamp(max=GAMMA) / (snr + velocity)):
            return seed
    raise AssertionError("no seed with plain timesteps")
