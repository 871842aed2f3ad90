"""What a training will be is said before it starts, and bounded."""

from __future__ import annotations

import pytest

from billing.plans import PRICES
from config.kit.errors import Refusal
from gpu.engine.catalogue import describe
from training import presets

pytestmark = pytest.mark.django_db


def test_it_takes_the_steps_from_the_number_of_images() -> None:
    few = presets.plan(images=20, purpose="style", quality="standard")
    many = presets.plan(images=40, purpose="style", quality="standard")

    assert many.steps > few.steps


def test_a_person_is_trained_twice_as_long_as_a_style() -> None:
    style = presets.plan(images=20, purpose="style", quality="standard")
    person = presets.plan(images=20, purpose="person", quality="standard")

    assert person.steps == 2 * style.steps


@pytest.mark.parametrize(("quality", "checkpoints"), [("quick", 2), ("standard", 4), ("fine", 6)])
def test_it_is_priced_by_its_checkpoints(quality: str, checkpoints: int) -> None:
    plan = presets.plan(images=24, purpose="style", quality=quality)

    assert len(plan.checkpoint_steps) == checkpoints
    assert plan.price == checkpoints * PRICES["checkpoint"]
    assert plan.checkpoint_steps == sorted(set(plan.checkpoint_steps))
    assert plan.checkpoint_steps[-1] == plan.steps


def test_it_keeps_the_strength_when_the_rank_is_changed() -> None:
    recipe = describe("starter").training
    plan = presets.plan(images=24, purpose="style", quality="quick", advanced={"rank": 4})

    assert plan.alpha / plan.rank == recipe.alpha / recipe.rank


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 99),
        ("steps", 4_001),
        ("steps", "many"),
        ("rank", 0),
        ("rank", 129),
        ("learning_rate", 0.1),
        ("learning_rate", "fast"),
        ("batch", 0),
        ("resolution", 131),
        ("optimizer", "sgd"),
    ],
)
def test_it_refuses_what_is_out_of_bounds_and_names_the_field(field: str, value: object) -> None:
    with pytest.raises(Refusal) as refused:
        presets.plan(images=24, purpose="style", quality="quick", advanced={field: value})

    assert refused.value.field == field
    assert refused.value.say.endswith(".")


def test_it_refuses_an_unknown_purpose_and_quality() -> None:
    with pytest.raises(Refusal):
        presets.plan(images=24, purpose="logo", quality="quick")
    with pytest.raises(Refusal):
        presets.plan(images=24, purpose="style", quality="perfect")


def test_it_draws_subjects_that_the_references_do_not_show() -> None:
    prompts = presets.sample_prompts("starter", ["a fox on a mat", "two castles", "red apples"])

    assert len(prompts) == presets.SAMPLE_COUNT
    assert not {"a fox", "a castle", "a red apple"} & set(prompts)


def test_it_still_draws_four_pictures_when_every_subject_is_shown() -> None:
    captions = list(presets.SUBJECTS["starter"])

    assert len(presets.sample_prompts("starter", captions)) == presets.SAMPLE_COUNT
