"""The parts of the starter's recipe that need no network and no weights."""

from random import Random

import pytest
import torch
from PIL import Image

from gpu.engine.starter.recipe import captions, crew, draw, measure, model, prepare, schedule, sources

MERGES = ["a p", "p l", "ap pl", "appl e</w>"]


def test_a_shortened_tokenizer_numbers_bytes_then_merges_then_its_two_marks() -> None:
    words = model.vocabulary(MERGES)
    assert len(words) == 2 * 256 + len(MERGES) + 2
    assert sorted(words.values()) == list(range(len(words)))
    assert words["apple</w>"] == 512 + 3
    assert words[model.END] == len(words) - 1


def test_a_shortened_tokenizer_reads_any_text_within_its_length(tmp_path) -> None:
    model.write_tokenizer(tmp_path, MERGES)
    tokenizer = model.load_tokenizer(tmp_path)
    tokens = tokenizer("Apple 林檎 " * 40, padding="max_length", max_length=model.TOKENS, truncation=True).input_ids
    assert len(tokens) == model.TOKENS
    assert tokens[0] == len(tokenizer) - 2
    assert tokens[1] == 515
    assert max(tokens) < len(tokenizer)


def test_every_subject_has_a_sign_and_a_name_of_its_own() -> None:
    subjects = sources.read_subjects()
    lines = [line for line in sources.SUBJECTS_FILE.read_text().splitlines() if line and not line.startswith("#")]
    assert len(subjects) == len(lines) == len(set(subjects.values()))


def test_codes_are_compared_without_variation_selectors_and_leading_zeros() -> None:
    assert sources.code_of("☀️") == sources.code_of("☀") == "2600"
    assert sources.normal_code("00A9-FE0F") == "a9"


def test_a_set_without_code_points_is_searched_by_every_spelling_of_a_name() -> None:
    names = sources.candidate_names("1f436", "dog face", "dog-face")
    assert names[0] == "dog-face"
    assert "dogface" in names
    assert sources.candidate_names("1f34e", "red apple", None)[:2] == ["red-apple", "red-apple"]


def test_no_look_is_both_learned_and_held_out() -> None:
    learned = {source.package for source in sources.SOURCES if not source.held_out}
    held_out = {source.package for source in sources.SOURCES if source.held_out}
    assert held_out
    assert not learned & held_out
    assert all(
        source.licence in {"Apache-2.0", "MIT", "CC-BY-4.0"} for source in sources.SOURCES if not source.held_out
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("apple", "an apple"),
        ("unicorn", "a unicorn"),
        ("bus", "a bus"),
        ("cherries", "cherries"),
        ("bouquet of flowers", "a bouquet of flowers"),
        ("fire", "fire"),
    ],
)
def test_a_subject_gets_the_article_that_a_person_would_write(name: str, text: str) -> None:
    assert captions.with_article(name) == text


def test_captions_name_a_coloured_ground_always_and_a_white_one_seldom() -> None:
    rng = Random(1)
    coloured = [captions.caption(rng, name="fox", style="noto", background="teal") for _ in range(300)]
    plain = [captions.caption(rng, name="fox", style="noto", background="white") for _ in range(300)]
    assert all("on a teal background" in text for text in coloured if text)
    assert 0 < sum("white" in text for text in plain) < 90
    assert 0 < sum(not text for text in coloured) < 40
    assert all("fox" in text for text in coloured + plain if text)


def test_the_first_placing_is_the_icon_as_drawn_and_the_last_ones_have_a_colour() -> None:
    rng = Random(2)
    assert draw.placing(rng, 0, 4) == draw.Placing()
    assert draw.placing(rng, 3, 4).background == "white"
    assert draw.placing(rng, 4, 4).background in draw.COLOURS


def test_an_icon_keeps_inside_its_picture_on_the_ground_asked_for() -> None:
    icon = Image.new("RGBA", (draw.SIDE, draw.SIDE), (200, 0, 0, 255))
    picture = draw.compose(icon, draw.Placing(background="black", scale=0.5, left=0.0, top=1.0))
    assert picture.size == (draw.SIDE, draw.SIDE)
    assert picture.getpixel((5, draw.SIDE - 5)) == (200, 0, 0)
    assert picture.getpixel((draw.SIDE - 5, 5)) == draw.BACKGROUNDS["black"]


def test_latents_come_back_with_their_rows(tmp_path) -> None:
    rows = [prepare.Row("1f34e", "noto", "white", 0), prepare.Row("1f34e", "noto", "blue", 4)]
    latents = torch.randn(2, 8, 16, 16).half()
    prepare.write(tmp_path / "some.safetensors", latents, rows)
    stored, stored_rows = prepare.read(tmp_path / "some.safetensors")
    assert torch.equal(stored, latents)
    assert stored_rows == rows


def test_the_last_step_of_the_schedule_is_pure_noise() -> None:
    shares = schedule.signal_shares()
    assert len(shares) == 1000
    assert shares[-1] == 0
    assert shares[0] > 0.998
    assert (shares[1:] < shares[:-1]).all()


def test_the_schedule_trained_on_is_the_one_sampled_with() -> None:
    shipped = schedule.sampler().alphas_cumprod
    assert torch.allclose(shipped[:-1], schedule.signal_shares()[:-1], atol=1e-6)


def test_noise_weighs_fully_and_what_is_nearly_clean_hardly() -> None:
    shares = schedule.signal_shares()
    weights = schedule.weights(shares)
    assert (weights[shares < 0.5] == 1).all()
    assert weights[0] < 0.01
    assert weights.argmax() > 300


def test_the_rate_warms_up_holds_and_falls_to_zero_only_when_annealed() -> None:
    assert schedule.rate(1.0, step=49, warmup=100, annealed=0.0) == 0.5
    assert schedule.rate(1.0, step=10**6, warmup=100, annealed=0.0) == 1.0
    falling = [schedule.rate(1.0, step=10**6, warmup=100, annealed=done) for done in (0.1, 0.5, 0.9, 1.0)]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] == 0.0


def test_a_crew_averages_what_each_member_found() -> None:
    leader, helper = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    leader(torch.ones(1, 2)).sum().backward()
    helper(3 * torch.ones(1, 2)).sum().backward()
    gradients = torch.zeros(1, 3)
    crew.flatten(helper, gradients[0])
    crew.add(leader, gradients)
    assert leader.weight.grad.tolist() == [[2.0, 2.0]]
    assert leader.bias.grad.tolist() == [1.0]


def test_a_picture_that_is_the_true_one_ranks_first() -> None:
    truth = torch.randn(6, 8, 4, 4, generator=torch.Generator().manual_seed(3))
    assert measure.ranks(truth[[4, 1]], truth, [4, 1]).tolist() == [1, 1]
    assert measure.ranks(truth[[4]], truth, [2]).item() > 1


def test_two_looks_are_as_far_apart_as_they_differ() -> None:
    generator = torch.Generator().manual_seed(4)
    first, again = (torch.randn(40, 2, 8, 8, generator=generator) for _ in range(2))
    assert measure.frechet(first, first) == pytest.approx(0, abs=1e-6)
    assert measure.frechet(first, again) < 1 < measure.frechet(first, again * 2)


def test_noisy_steps_are_drawn_more_often_and_all_are_possible() -> None:
    torch.manual_seed(6)
    steps = schedule.draw_steps(20_000)
    assert steps.min() < 20
    assert steps.max() == 999
    assert 0.72 < (steps >= 500).float().mean() < 0.78
