"""A style's training is held to the base where words decide what a picture shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from gpu.engine.anchors import EVERY, Anchors
from gpu.engine.catalogue import STARTER
from gpu.engine.lora import Trainable
from gpu.engine.models import Base, load
from gpu.engine.objective import NoiseSchedule
from tests.engine.makers import training_spec

SUBJECTS = ("an owl", "a red fox", "stripes")


def _base(folder: Path) -> Base:
    base = load(str(folder), "cpu", "training")
    base.facts = replace(base.facts, training=replace(base.facts.training, anchors=SUBJECTS))
    return base


def _learner(base: Base) -> Trainable:
    return Trainable(base, endings=("to_q", "to_k", "to_v", "to_out.0"), rank=2, alpha=2.0, seed=1)


def _gradient(learner: Trainable) -> float:
    return sum(float(part.grad.abs().sum()) for part in learner.parameters() if part.grad is not None)


def test_every_few_steps_it_is_held_to_the_base(tiny_base: Path, paintings: list[Path], tmp_path: Path) -> None:
    base = _base(tiny_base)
    anchors = Anchors(base, training_spec(tiny_base, tmp_path, paintings))
    learner = _learner(base)
    anchors.gradients(learner, NoiseSchedule(base), EVERY - 1)
    assert _gradient(learner) == 0
    anchors.gradients(learner, NoiseSchedule(base), EVERY)
    assert _gradient(learner) > 0


def test_holding_makes_subjects_differ_with_the_trigger_word_as_they_do_without(
    tiny_base: Path, paintings: list[Path], tmp_path: Path
) -> None:
    base = _base(tiny_base)
    anchors = Anchors(base, training_spec(tiny_base, tmp_path, paintings))
    learner, schedule = _learner(base), NoiseSchedule(base)
    optimizer = torch.optim.AdamW(list(learner.parameters()), lr=1e-2)

    def differ(texts: list[str]) -> torch.Tensor:
        noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1)).expand(2, -1, -1, -1)
        one, other = anchors._predict(noise, torch.tensor([900, 900]), texts, 64)
        return one - other

    @torch.no_grad()
    def away() -> float:
        wanted = differ(["an owl", "a red fox"])
        learner.attach()
        found = differ(["an owl, zorli", "a red fox, zorli"])
        learner.detach()
        return float((found - wanted).square().mean())

    before = away()
    for step in range(EVERY, 40 * EVERY, EVERY):
        anchors.gradients(learner, schedule, step)
        optimizer.step()
        optimizer.zero_grad()
    assert away() < 0.8 * before


def test_what_the_references_show_and_what_a_word_learns_is_left_free(
    tiny_base: Path, paintings: list[Path], tmp_path: Path
) -> None:
    base = _base(tiny_base)
    spec = training_spec(tiny_base, tmp_path, paintings)  # captions: stripes
    assert Anchors(base, spec).subjects == ["an owl", "a red fox"]
    assert Anchors(base, spec.model_copy(update={"method": "dreambooth"})).subjects == []


def test_the_starter_has_anchors_that_its_base_knows() -> None:
    assert "an eagle" in STARTER.training.anchors
    assert len(set(STARTER.training.anchors)) >= 48
