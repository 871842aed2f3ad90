"""The facts of the bases: what the web shows and prices are made from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gpu.engine.catalogue import CATALOGUE, CHECKPOINTS, QUALITIES, SDXL, STARTER, Quality, describe


def test_reading_the_catalogue_and_the_contract_imports_no_torch() -> None:
    code = "import sys, gpu.engine.catalogue, gpu.engine.contract; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("base", CATALOGUE.values(), ids=CATALOGUE)
def test_the_native_size_is_the_first_on_offer_and_the_recipe_fits_it(base) -> None:  # type: ignore[no-untyped-def]
    assert base.sizes[0] == (base.native, base.native)
    assert base.training.resolution == base.native
    assert base.training.resolution in base.training.resolutions
    assert base.steps <= base.max_steps
    assert base.say


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("images", [1, 10, 24, 40, 200])
def test_steps_stay_within_bounds_and_a_person_takes_twice_as_many(images: int, quality: Quality) -> None:
    for base in CATALOGUE.values():
        profile = base.training
        style, person = profile.steps(images, quality), profile.steps(images, quality, "person")
        assert profile.min_steps <= style <= person <= profile.max_steps
        assert person in (min(profile.max_steps, 2 * style), max(profile.min_steps, person))
        marks = profile.checkpoint_steps(style, quality)
        assert len(marks) == CHECKPOINTS[quality]
        assert marks == sorted(set(marks))
        assert marks[-1] == style


def test_sdxl_follows_the_published_recipe_per_image() -> None:
    assert [SDXL.training.steps(30, quality) for quality in QUALITIES] == [750, 1500, 3000]


def test_twenty_four_images_at_quick_are_promised_within_four_minutes_on_two_cores() -> None:
    profile = STARTER.training
    steps = profile.steps(24, "quick")
    assert profile.seconds(steps, len(profile.checkpoint_steps(steps, "quick")), "cpu") <= 240


def test_a_few_steps_have_as_many_checkpoints_as_they_can() -> None:
    assert STARTER.training.checkpoint_steps(3, "fine") == [1, 2, 3]


def test_a_folder_of_a_small_base_takes_the_starters_recipe_at_its_own_size(tiny_base: Path) -> None:
    facts = describe(str(tiny_base))
    assert facts.native == facts.training.resolution == 64
    assert facts.training.learning_rate == STARTER.training.learning_rate
    assert facts.folder == str(tiny_base)


def test_a_repository_id_is_taken_for_a_model_of_sdxls_kind() -> None:
    facts = describe("someone/their-sdxl")
    assert facts.repository == "someone/their-sdxl"
    assert facts.revision == ""
    assert facts.native == 1024
