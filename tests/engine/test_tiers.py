"""Fine, fast and draft; and guidance whose halves go one after the other."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler

from gpu.engine.catalogue import MODELS, SDXL, Licence, ModelFacts, ModelFile
from gpu.engine.contract import StyleWeight, Tier
from gpu.engine.lora import Mixer
from gpu.engine.models import Base, load
from gpu.engine.pipelines import text_to_image
from gpu.engine.pipelines.painting import denoise, sampler
from gpu.engine.pipelines.painting.reuse import EVERY, DeepReuse
from gpu.engine.pipelines.work import Work
from tests.engine.makers import RECIPE, Heard, picture_spec, random_lora


@pytest.fixture
def base(tiny_base: Path) -> Base:
    return load(str(tiny_base), "cpu")


# --- guidance ---


@pytest.mark.parametrize("tier", ["fine", "draft"])
def test_the_halves_of_guidance_one_after_the_other_give_what_both_at_once_give(base: Base, tier: Tier) -> None:
    recipe = replace(RECIPE, steps=8, tier=tier, negative_prompt="a blue bird")
    both = denoise(base, recipe)
    base.plan = replace(base.plan, sequential_guidance=True)
    apart = denoise(base, recipe)
    assert torch.allclose(both, apart, atol=1e-5 * float(both.abs().max()))


@pytest.mark.cuda
def test_the_halves_of_guidance_agree_on_a_gpu(tiny_base: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU here")
    base = load(str(tiny_base), "cuda:0")
    both = denoise(base, RECIPE)
    base.plan = replace(base.plan, sequential_guidance=True)
    assert (denoise(base, RECIPE) - both).abs().mean() < 0.02 * both.abs().mean()  # half precision


def test_a_long_negative_prompt_may_meet_a_short_prompt(base: Base) -> None:
    long = "abcdefghijk, " * 3
    plain = denoise(base, RECIPE)
    for recipe in (replace(RECIPE, negative_prompt=long), replace(RECIPE, prompt=long)):
        drawn = denoise(base, recipe)
        assert torch.isfinite(drawn).all()
        assert not torch.equal(drawn, plain)


# --- draft ---


class _Counted:
    """How often the UNet went all the way down."""

    def __init__(self, base: Base) -> None:
        self.passes = 0
        base.unet.mid_block.register_forward_pre_hook(self._count)

    def _count(self, *_: object) -> None:
        self.passes += 1


def test_a_draft_goes_through_the_whole_unet_only_now_and_then(base: Base) -> None:
    counted = _Counted(base)
    denoise(base, replace(RECIPE, steps=12, tier="draft"))
    assert counted.passes == -(-12 // EVERY)


def test_a_draft_that_keeps_nothing_over_is_fine(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = denoise(base, RECIPE)
    monkeypatch.setattr(
        "gpu.engine.pipelines.painting.prediction.DeepReuse",
        lambda unet, resting: DeepReuse(unet, every=1, resting=resting),
    )
    assert torch.equal(denoise(base, replace(RECIPE, tier="draft")), fine)


def test_a_shallow_pass_with_features_of_the_same_step_says_what_a_whole_one_says(base: Base) -> None:
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    prompt = base.prompt("a fox")
    tokens = prompt.tokens.expand(2, -1, -1)
    conditioning = {"text_embeds": prompt.pooled.expand(2, -1), "time_ids": base.time_ids(64, 64).expand(2, -1)}
    reuse = DeepReuse(base.unet, every=2)
    whole = reuse("a", 0, latents, torch.tensor(500), tokens, conditioning)
    shallow = reuse("a", 1, latents, torch.tensor(500), tokens, conditioning)
    assert torch.allclose(whole, shallow, atol=1e-6)
    assert not torch.allclose(whole, reuse("a", 3, latents, torch.tensor(100), tokens, conditioning), atol=1e-4)


def test_a_draft_of_the_starter_is_faster_and_near_to_fine(starter: Path, tmp_path: Path) -> None:
    base = load("starter", "cpu")
    mixer = Mixer(base)
    denoise(base, replace(RECIPE, width=128, height=128, steps=2))
    pictures, seconds = [], []
    for tier in ("fine", "draft"):
        spec = picture_spec("starter", tmp_path, tier=tier, width=128, height=128, steps=20, prompt="a red apple")
        begun = Work.begin(spec, base, mixer, Heard().report)
        began = time.thread_time()
        pictures.append(np.asarray(begun.paint(), dtype=int))
        seconds.append(time.thread_time() - began)
    assert np.abs(pictures[0] - pictures[1]).mean() < 8  # of 255
    assert seconds[1] < 0.75 * seconds[0]


# --- fast ---


@pytest.fixture
def few_steps(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StyleWeight:
    """A few-step LoRA in the catalogue and on this disk."""
    folder = tmp_path / "models" / "few"
    folder.mkdir(parents=True)
    style = random_lora(base, folder / "few.safetensors", rank=2, alpha=2, seed=5)
    size = (folder / "few.safetensors").stat().st_size
    facts = ModelFacts(
        name="few", title="Few steps", say="", role="few_step_lora", repository="none/few", revision="",
        files=(ModelFile("few.safetensors", size, style.sha256),), bytes=size, needs="",
        licence=Licence(name="", url="", permits="", commercial=True),
    )  # fmt: skip
    monkeypatch.setattr("gpu.engine.catalogue.models.MODELS", {**MODELS, "few": facts})
    monkeypatch.setenv("MODELS_DIR", str(tmp_path / "models"))
    base.facts = replace(base.facts, fast="few", fast_sampler=SDXL.fast_sampler)
    return style


def test_fast_mixes_the_few_step_lora_in_and_takes_its_own_steps_without_guidance(
    base: Base, few_steps: StyleWeight, tmp_path: Path
) -> None:
    mixer = Mixer(base)
    heard = Heard()
    own = random_lora(base, tmp_path / "own.safetensors", rank=4, alpha=4, seed=1)
    spec = picture_spec(base.facts.name, tmp_path, tier="fast", steps=20, guidance=6.0, styles=[own])
    begun = Work.begin(spec, base, mixer, heard.report)
    assert (begun.recipe.steps, begun.recipe.guidance) == (base.facts.fast_steps, 1.0)
    assert [style.sha256 for style in begun.styles] == [own.sha256, few_steps.sha256]
    passes = _Counted(base)
    begun.paint()
    assert passes.passes == base.facts.fast_steps
    assert not heard.of("adapted")


def test_fast_takes_the_scheduler_that_its_authors_name(base: Base, few_steps: StyleWeight) -> None:
    scheduler = sampler(base, "fast")
    assert isinstance(scheduler, EulerDiscreteScheduler)
    assert scheduler.config["timestep_spacing"] == "trailing"
    assert scheduler.config["prediction_type"] == base.prediction


def test_fast_is_repeatable(base: Base, few_steps: StyleWeight, tmp_path: Path) -> None:
    digests, mixer = set(), Mixer(base)
    for number in range(2):
        spec = picture_spec(base.facts.name, tmp_path / str(number), tier="fast")
        text_to_image.make(spec, base, mixer, Heard().report)
        digests.add(hashlib.sha256((tmp_path / str(number) / "picture.png").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_fast_without_its_model_is_fine_and_says_so(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELS_DIR", str(tmp_path / "none"))
    for name in ("", "sdxl-fast"):
        base.facts = replace(base.facts, fast=name)
        heard = Heard()
        spec = picture_spec(base.facts.name, tmp_path, tier="fast", steps=4, guidance=1.0)
        begun = Work.begin(spec, base, Mixer(base), heard.report)
        assert (begun.recipe.tier, begun.recipe.steps, begun.recipe.guidance) == (
            "fine", base.facts.steps, base.facts.guidance,
        )  # fmt: skip
        (adapted,) = heard.of("adapted")
        assert adapted.code == "fine_tier"
        assert "not on this machine" in adapted.say
