"""The facts of the bases: what the web shows and prices are made from."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gpu.engine.catalogue import (
    CATALOGUE,
    CHECKPOINTS,
    MODELS,
    QUALITIES,
    SDXL,
    STARTER,
    ModelFacts,
    Quality,
    describe,
    model,
)


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


# --- what can be fetched ---


@pytest.mark.parametrize("one", MODELS.values(), ids=MODELS)
def test_a_model_is_pinned_to_a_commit_and_lists_no_pickle(one: ModelFacts) -> None:
    assert re.fullmatch(r"[0-9a-f]{40}", one.revision)
    assert one.repository.count("/") == 1
    assert all(file.path.endswith((".safetensors", ".json", ".txt")) for file in one.files)
    assert all(re.fullmatch(r"([0-9a-f]{64})?", file.sha256) for file in one.files)
    assert len({file.path for file in one.files}) == len(one.files)
    assert one.bytes >= sum(file.bytes for file in one.files)


@pytest.mark.parametrize("one", MODELS.values(), ids=MODELS)
def test_a_model_says_what_it_is_for_what_it_needs_and_what_its_licence_permits(one: ModelFacts) -> None:
    assert one.say
    assert one.needs
    assert one.licence.url.startswith("https://huggingface.co/")
    assert len(one.licence.permits.split()) > 5


def test_all_weights_but_the_upscalers_have_a_checksum() -> None:
    unknown = {
        one.name
        for one in MODELS.values()
        for file in one.files
        if file.path.endswith(".safetensors") and not file.sha256
    }
    assert unknown == {"upscaler"}


def test_a_base_names_only_models_that_there_are() -> None:
    for base in CATALOGUE.values():
        named = {"preview_vae": base.preview_vae, "few_step_lora": base.fast, "inpaint": base.inpaint}
        named |= {"upscaler": base.upscaler, "video": base.video}
        assert all(model(name).role == role for role, name in named.items() if name)
        assert ("fast" in base.tiers) == bool(base.fast)


def test_an_unknown_model_is_answered_with_those_there_are() -> None:
    with pytest.raises(LookupError, match=r"There is no model “sdxll”\. There are: sdxl, "):
        model("sdxll")


def test_the_documentation_names_every_model_with_its_licence() -> None:
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    for one in MODELS.values():
        [row] = [line for line in text.splitlines() if line.startswith(f"| `{one.name}` |")]
        assert one.licence.name in row
