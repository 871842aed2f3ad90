"""What a training will be is said before it starts, and bounded."""

from __future__ import annotations

import pytest
from django.conf import LazySettings

from billing.plans import PRICES
from config.kit.errors import Refusal
from gpu.engine.catalogue import describe
from training import bounds, presets
from training.forms import TrainForm

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
        ("method", "hypernetwork"),
        ("method", "dreambooth"),  # of a style
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


def test_a_learned_word_has_a_learning_rate_of_its_own() -> None:
    plan = presets.plan(images=24, purpose="style", quality="quick", advanced={"method": "textual_inversion"})
    assert plan.learning_rate > describe("starter").training.learning_rate

    faster = {"method": "textual_inversion", "learning_rate": 4e-3}
    assert presets.plan(images=24, purpose="style", quality="quick", advanced=faster).learning_rate == 4e-3
    with pytest.raises(Refusal, match=r"from 0.00001 to 0.001"):
        presets.plan(images=24, purpose="style", quality="quick", advanced=faster | {"method": "lora"})


def test_the_class_is_what_most_captions_call_it() -> None:
    def named(purpose: presets.Purpose, *captions: str) -> str:
        return presets.class_prompt(purpose, captions)

    assert named("person", "a woman on a beach", "A woman, smiling", "portrait") == "a woman"
    assert named("person", "a woman on a beach", "someone", "portrait") == "a person"
    assert named("person") == "a person"
    assert named("character", "a robot in a field", "the robot sleeps") == "a robot"
    assert named("style") == "a painting"
    assert named("style", "an illustration of a cat") == "an illustration"


def test_dreambooth_is_for_persons_and_characters_and_counts_its_pictures() -> None:
    plain = presets.plan(images=15, purpose="person", quality="quick")
    plan = presets.plan(
        images=15, purpose="person", quality="quick", advanced={"method": "dreambooth"}, captions=["a man in a hat"]
    )
    recipe = describe("starter").training

    assert (plain.method, plain.prior_images, plain.class_prompt) == ("lora", 0, "")
    assert (plan.prior_images, plan.class_prompt) == (30, "a man")
    pictures = plan.prior_images * recipe.seconds_per_sample["cpu"]
    assert plan.seconds - plain.seconds > plan.steps * recipe.seconds_per_step["cpu"] + pictures - 1
    assert plan.price == plain.price


@pytest.mark.parametrize(("images", "aside"), [(5, 0), (11, 0), (12, 1), (20, 2), (40, 3), (200, 3)])
def test_a_tenth_of_a_set_is_only_measured_but_nothing_of_a_small_one(images: int, aside: int) -> None:
    assert presets.held_out(images) * images == pytest.approx(aside)
    assert presets.plan(images=images, purpose="style", quality="quick").aside == aside


def test_minutes_follow_batch_and_resolution(settings: LazySettings) -> None:
    settings.BASE_MODEL = "sdxl"
    usual = presets.plan(images=24, purpose="style", quality="quick")
    small = presets.plan(images=24, purpose="style", quality="quick", advanced={"resolution": 512})
    large = presets.plan(images=24, purpose="style", quality="quick", advanced={"batch": 4})

    assert small.seconds < usual.seconds < large.seconds
    assert usual.optimizer == "adamw8bit"


def test_the_drawer_offers_what_the_base_can_do_and_says_what_each_thing_does(settings: LazySettings) -> None:
    settings.BASE_MODEL = "sdxl"
    form = TrainForm({"purpose": "person", "quality": "quick", "method": "dreambooth", "resolution": "768"})

    assert form.is_valid()
    assert form.advanced() == {"method": "dreambooth", "resolution": "768"}
    assert [
        name for name in form.fields if name not in ("purpose", "quality") and not form.fields[name].help_text
    ] == []
    assert form.fields["batch"].widget.attrs["max"] == 4
    assert str(form.fields["learning_rate"].widget.attrs["placeholder"]) == "0.0001"
    assert {value for value, _title in form.fields["resolution"].choices} == {"", "512", "768", "1024"}  # type: ignore[attr-defined]
    assert {value for value, _title in form.fields["method"].choices} == {"", *bounds.METHODS}  # type: ignore[attr-defined]


def test_what_was_changed_by_hand_is_remembered_for_another_try() -> None:
    wishes = {"rank": 4, "learning_rate": "0.0005", "steps": ""}
    plan = presets.plan(images=24, purpose="style", quality="quick", advanced=wishes)

    assert plan.as_settings()["wishes"] == {"rank": 4, "learning_rate": "0.0005"}
