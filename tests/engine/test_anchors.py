"""A style's training is held to the base where words decide what a picture shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gpu.engine.anchors import EVERY, Anchors
from gpu.engine.catalogue import STARTER
from gpu.engine.contract import TrainingImage, TrainLoraSpec
from gpu.engine.dataset import Reference, encode
from gpu.engine.lora import Trainable
from gpu.engine.models import Base, load
from gpu.engine.objective import NoiseSchedule
from gpu.engine.pipelines.painting import Recipe, paint
from tests.engine.makers import training_spec

SUBJECTS = ("an owl", "a red fox", "stripes")


def _base(folder: Path) -> Base:
    base = load(str(folder), "cpu", "training")
    base.facts = replace(base.facts, training=replace(base.facts.training, anchors=SUBJECTS))
    return base


def _references(base: Base, spec: TrainLoraSpec) -> list[Reference]:
    size = (spec.resolution, spec.resolution)
    return [encode(base, image, sizes=[size], flip=False, trigger_word=spec.trigger_word)[0] for image in spec.images]


def _anchors(base: Base, spec: TrainLoraSpec) -> Anchors:
    return Anchors(base, spec, NoiseSchedule(base), _references(base, spec))


def _learner(base: Base) -> Trainable:
    return Trainable(base, endings=("to_q", "to_k", "to_v", "to_out.0"), rank=2, alpha=2.0, seed=1)


def _gradient(learner: Trainable) -> float:
    return sum(float(part.grad.abs().sum()) for part in learner.parameters() if part.grad is not None)


def test_every_few_steps_it_is_held_to_the_base(tiny_base: Path, paintings: list[Path], tmp_path: Path) -> None:
    base = _base(tiny_base)
    anchors = _anchors(base, training_spec(tiny_base, tmp_path, paintings))
    anchors.with_word = False  # with it, what has learned nothing yet is where it shall be
    learner = _learner(base)
    anchors.gradients(learner, EVERY - 1)
    assert _gradient(learner) == 0
    anchors.gradients(learner, EVERY)
    assert _gradient(learner) > 0


@pytest.mark.parametrize("with_word", [False, True])
def test_holding_makes_subjects_differ_as_they_do_for_the_base(
    tiny_base: Path, paintings: list[Path], tmp_path: Path, with_word: bool
) -> None:
    base = _base(tiny_base)
    anchors = _anchors(base, training_spec(tiny_base, tmp_path, paintings))
    anchors.with_word = with_word
    learner = _learner(base)
    optimizer = torch.optim.AdamW(list(learner.parameters()), lr=1e-2)

    def differ(texts: list[str]) -> torch.Tensor:
        noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1)).expand(2, -1, -1, -1)
        one, other = anchors._predict(noise, torch.tensor([900, 900]), texts, 64)
        return one - other

    @torch.no_grad()
    def away() -> float:
        wanted = differ(["an owl, zorli", "a red fox, zorli"] if with_word else ["an owl", "a red fox"])
        learner.attach()
        found = differ(["an owl, zorli", "a red fox, zorli"])
        learner.detach()
        return float((found - wanted).square().mean())

    if with_word:  # as it is at first: something else that is learned has to move it
        bent = [torch.randn(part.shape, generator=torch.Generator().manual_seed(2)) for part in learner.parameters()]
        for part, bend in zip(learner.parameters(), bent, strict=True):
            part.data.add_(0.2 * bend)
    before = away()
    for step in range(EVERY, 40 * EVERY, EVERY):
        anchors.gradients(learner, step)
        optimizer.step()
        optimizer.zero_grad()
    assert away() < 0.8 * before


def test_what_the_references_show_and_what_a_word_learns_is_left_free(
    tiny_base: Path, paintings: list[Path], tmp_path: Path
) -> None:
    base = _base(tiny_base)
    spec = training_spec(tiny_base, tmp_path, paintings)  # captions: stripes
    assert _anchors(base, spec).subjects == ["an owl", "a red fox"]
    assert _anchors(base, spec.model_copy(update={"method": "dreambooth"})).subjects == []


SHOWN = ("a castle", "a fish", "a guitar", "an owl", "a red car", "a crown")


def _spec(starter: Path, folder: Path, pictures: list[Path], trigger_word: str = "zorli") -> TrainLoraSpec:
    """Of pictures of SHOWN, with these captions."""
    images = [
        TrainingImage(id=path.stem, path=str(path), caption=caption)
        for path, caption in zip(pictures, SHOWN, strict=False)
    ]
    spec = training_spec(starter, folder, pictures, trigger_word=trigger_word, resolution=128)
    return spec.model_copy(update={"images": images})


def _drawn_by(base: Base, folder: Path, asked: str) -> list[Path]:
    """SHOWN by the base itself."""
    paths = [folder / f"{number}.png" for number in range(len(SHOWN))]
    for number, (path, subject) in enumerate(zip(paths, SHOWN, strict=True)):
        recipe = Recipe(
            prompt=asked.format(subject),
            negative_prompt="",
            width=128,
            height=128,
            steps=8,
            guidance=2.0,
            seed=number,
        )
        paint(base, recipe).save(path)
    return paths


@pytest.mark.parametrize(("asked", "with_word"), [("{}", False), ("{}, streamline style", True)])
def test_it_is_held_to_the_words_under_which_the_base_foresees_the_references(
    starter: Path, tmp_path: Path, asked: str, with_word: bool
) -> None:
    """The trigger word here is one that leans to a look for certain, since the base knows it."""
    base = load(str(starter), "cpu", "training")
    spec = _spec(starter, tmp_path, _drawn_by(base, tmp_path, asked), "streamline style")
    assert _anchors(base, spec).with_word is with_word


def test_a_style_that_the_base_foresees_is_held_more_firmly(
    starter: Path, paintings: list[Path], tmp_path: Path
) -> None:
    base = load(str(starter), "cpu", "training")
    near = _spec(starter, tmp_path, _drawn_by(base, tmp_path, "{}"))
    far = _spec(starter, tmp_path, paintings[: len(SHOWN)])
    assert _anchors(base, near).weight > 4 * _anchors(base, far).weight


def test_the_starter_has_anchors_that_its_base_knows() -> None:
    assert "an eagle" in STARTER.training.anchors
    assert len(set(STARTER.training.anchors)) >= 48
