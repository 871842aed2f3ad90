"""The benchmark's harness, rehearsed on a tiny base: its figures mean nothing here, its rows do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from gpu.engine.memory.compiling import compile_blocks
from tests.bench.engine import __main__ as command
from tests.bench.engine import exact, film, full_size, speed, tiles, training
from tests.bench.engine.promised import on_a_gpu
from tests.bench.engine.rows import Row, Target, alternate, faster
from tests.bench.engine.setting import Setting, rehearsal
from tests.bench.engine.table import BEGIN, END, into_docs, line
from tests.engine.films import make_tiny_video_model

Rows = Callable[[Setting], Iterator[Row]]


@pytest.fixture
def setting(tiny_base: Path, tmp_path: Path) -> Setting:
    return rehearsal(tmp_path, tiny_base)


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (
            exact.rows,
            ["merge_error", "switch_drift", "switch_growth", "recompilations", "sequential_guidance_error"],
        ),
        (speed.rows, ["switch_vs_reload", "switch_time", "step_vs_unfused_peft", "prompt_cache"]),
        (tiles.rows, ["vae_tile_seam"]),
        (training.rows, ["train_steps_vs_reference"]),
        (full_size.pictures, ["fine_vs_pipeline", "fine_psnr"]),
        (full_size.fast, ["fast_vs_offload"]),
        (full_size.compiled, ["fine_vs_compiled"]),
    ],
)
def test_every_group_measures_its_rows(setting: Setting, rows: Rows, names: list[str]) -> None:
    found = list(rows(setting))
    assert [row.name for row in found] == names
    for row in found:
        assert row.ours is not None
        assert row.baseline is not None
        assert json.loads(json.dumps(row.as_json()))["holds"] in ((True, False) if row.target else (None,))
        assert row.name in line(row.as_json())


def test_a_film_is_made_by_both_sides(setting: Setting, tmp_path: Path) -> None:
    model = make_tiny_video_model(tmp_path / "video")
    small = film.Film(model, width=64, height=64, frames=14, steps=2)
    pace, peak = film.against_recipe(setting, small)
    assert (pace.name, peak.name) == ("film_vs_recipe", "film_peak_vs_recipe")
    assert pace.ours and pace.baseline and pace.holds is not None  # noqa: PT018  figures of either side
    assert peak.ratio is None  # memory is counted on a GPU alone
    assert (tmp_path / "film" / "film.mp4").stat().st_size > 1000
    assert (tmp_path / "recipe.mp4").stat().st_size > 1000


def test_what_must_be_exact_is_exact(setting: Setting) -> None:
    assert [row.name for row in exact.rows(setting) if not row.holds] == []


def test_a_compilation_is_counted(setting: Setting) -> None:
    """Else none would be counted in switches, whatever they did."""
    unet = setting.base.unet
    torch._dynamo.reset()  # what other tests had compiled would serve here, too
    compile_blocks(unet, wanted=True, backend="eager")
    assert exact.compiled_by(lambda: setting.predict(unet, setting.unet_inputs())) > 0
    assert exact.compiled_by(lambda: setting.predict(unet, setting.unet_inputs())) == 0
    assert exact.compiled_by(lambda: setting.predict(unet, setting.unet_inputs(samples=3))) > 0


def test_our_picture_is_the_librarys(setting: Setting) -> None:
    psnr = list(full_size.pictures(setting))[-1]
    assert psnr.ours is not None
    assert psnr.ours >= 35


def test_a_target_speaks_of_the_figure_or_of_the_ratio() -> None:
    assert Target("at least", 1.3).met(ours=9.0, ratio=1.4)
    assert not Target("at least", 1.3).met(ours=9.0, ratio=1.2)
    assert Target("at most", 7, of="ours").met(ours=6.9, ratio=None)
    assert Target("at least", 1.3).met(ours=9.0, ratio=None) is None


def test_a_ratio_above_one_means_that_ours_is_better() -> None:
    row = faster("x", "x", ours=[0.1, 0.3, 0.2], baseline=[0.4, 0.5, 0.6], target=Target("at least", 2))
    assert (row.ours, row.baseline, row.ratio, row.holds) == (200.0, 500.0, 2.5, True)


def test_the_two_sides_take_turns() -> None:
    calls: list[str] = []
    mine, others = alternate(lambda: calls.append("ours"), lambda: calls.append("theirs"), runs=2)
    assert calls == ["ours", "theirs"] * 3  # the first pair warms up
    assert len(mine) == len(others) == 2


def test_what_needs_a_gpu_is_in_the_table_before_it_is_measured() -> None:
    for group in command.ON_GPU_ALONE:
        for row in on_a_gpu(group):
            assert row.as_json()["ours"] is None
            assert row.holds is None
            assert "not yet measured" in line(row.as_json())


def test_the_table_takes_its_place_in_the_documentation(tmp_path: Path) -> None:
    page = tmp_path / "gpu.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    rows = [Row(name="merge_error", say="merged", unit="", target=None, ours=0.5, baseline=0.0).as_json()]
    into_docs(page, {"device": "some GPU", "versions": {"torch": "2"}, "rows": rows})
    text = page.read_text()
    assert "old" not in text
    assert "| `merge_error` | merged | 0.5 | 0 |" in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")


@pytest.mark.cuda
def test_the_full_size_rows_hold_on_a_gpu(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU here")
    rows = [row for group in command.GROUPS for row in command.measured(group, "cuda:0", quick=True)]
    assert [row.name for row in rows if row.holds is False] == []
