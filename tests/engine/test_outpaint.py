"""A picture continued: its own pixels stay, the rest is drawn, and the seam is soft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu.engine.failures import Failure
from gpu.engine.pipelines import masks
from gpu.engine.pipelines.outpaint import extended, place_of, scaled
from gpu.engine.pipelines.sources import read_picture
from gpu.engine.studio import Studio
from tests.engine.makers import Heard
from tests.engine.pictures import made, outpaint, pixels, run, source


@pytest.mark.parametrize("feather", [0, 6])
@pytest.mark.parametrize(("left", "top", "width", "height"), [(32, 0, 96, 64), (0, 16, 64, 96), (8, 24, 88, 104)])
def test_the_source_stays_to_the_last_bit_but_for_the_seam(
    tiny_base: Path, studio: Studio, tmp_path: Path, feather: int, left: int, top: int, width: int, height: int
) -> None:
    spec = outpaint(
        tiny_base, tmp_path, source=str(source(tmp_path / "s.png")), left=left, top=top, width=width, height=height,
        feather=feather,
    )  # fmt: skip
    run(spec, studio)
    picture, before = made(spec), pixels(tmp_path / "s.png")
    assert picture.shape == (height, width, 3)
    known = place_of(spec, read_picture(spec.source))
    inner = masks.seam(known, feather)[top : top + 64, left : left + 64] == 0
    kept = picture[top : top + 64, left : left + 64]
    assert np.array_equal(kept[inner], before[inner])
    assert inner.mean() > 0.6
    if feather == 0:
        assert inner.all()
    beyond = picture[~known]
    assert len(np.unique(beyond, axis=0)) > 50


def test_a_size_that_the_base_cannot_halve_is_drawn_all_the_same(
    tiny_base: Path, studio: Studio, tmp_path: Path
) -> None:
    path = str(source(tmp_path / "s.png", 61, 50))
    spec = outpaint(tiny_base, tmp_path, source=path, left=3, top=5, width=104, height=72)
    run(spec, studio)
    assert made(spec).shape == (72, 104, 3)


def test_a_picture_may_be_made_smaller_first_and_may_reach_over_the_frame(
    tiny_base: Path, studio: Studio, tmp_path: Path
) -> None:
    path = str(source(tmp_path / "s.png", 128, 128))
    spec = outpaint(tiny_base, tmp_path, source=path, left=40, top=0, width=80, height=64, scale=0.5, feather=0)
    run(spec, studio)
    small = np.asarray(scaled(read_picture(path), 0.5))
    assert small.shape == (64, 64, 3)
    assert np.array_equal(made(spec)[:, 40:], small[:, :40])


def test_the_new_ground_begins_with_the_colours_of_the_edge(tmp_path: Path) -> None:
    picture = read_picture(str(source(tmp_path / "s.png")))
    known = np.zeros((64, 96), dtype=bool)
    known[:, :64] = True
    canvas = np.asarray(extended(picture, known, 0, 0, seed=1), dtype=int)
    assert np.array_equal(canvas[:, :64], np.asarray(picture))
    edge = np.asarray(picture, dtype=int)[:, 60:].mean(axis=1)
    assert np.abs(canvas[8:-8, 64:].mean(axis=1) - edge[8:-8]).mean() < 15
    assert canvas[:, 64:].std(axis=1).mean() > 4  # with grain


@pytest.mark.parametrize(
    ("facts", "say"),
    [
        ({"left": 200, "top": 0, "width": 96, "height": 64}, "outside"),
        ({"left": 0, "top": 0, "width": 64, "height": 64}, "nothing to draw"),
        ({"left": 0, "top": 0, "width": 96, "height": 64, "scale": 2.0}, "nothing to draw"),
    ],
)
def test_a_frame_that_asks_for_nothing_is_a_sentence(
    tiny_base: Path, studio: Studio, tmp_path: Path, facts: dict[str, Any], say: str
) -> None:
    with pytest.raises(Failure, match=say) as failure:
        run(outpaint(tiny_base, tmp_path, source=str(source(tmp_path / "s.png")), **facts), studio)
    assert failure.value.code == "bad_spec"


def test_it_ends_within_a_step_when_it_is_cancelled(tiny_base: Path, studio: Studio, tmp_path: Path) -> None:
    path = str(source(tmp_path / "s.png"))
    spec = outpaint(tiny_base, tmp_path, source=path, left=0, top=0, width=96, height=64, steps=50)
    heard = run(spec, studio, Heard(after="preview"))
    assert heard.of("done")[0].outcome == "cancelled"
    assert max(event.step for event in heard.of("progress")) <= 2
