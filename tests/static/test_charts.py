"""Charts drawn on the server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.kit import charts
from config.kit.charts import loss_chart, smoothed, usage_chart


def test_without_points_the_chart_says_that_it_will_begin() -> None:
    assert loss_chart([], 1800, []) == {"empty": True}


def test_the_curve_begins_at_the_first_loss_and_ends_at_the_last_step() -> None:
    drawn = loss_chart([(0, 0.14), (600, 0.1), (1200, 0.08)], 1800, [600, 1200])
    assert drawn["first"] == "0.140"
    assert drawn["last_step"] == 1200
    assert float(drawn["now_x"]) == round(charts.LEFT + (charts.WIDTH - charts.LEFT) * 2 / 3, 1)
    assert [step for step, _ in drawn["table"]] == [600, 1200]


def test_smoothing_keeps_a_constant_and_damps_a_spike() -> None:
    assert smoothed([0.1, 0.1, 0.1]) == [0.1, 0.1, 0.1]
    assert smoothed([0.0, 1.0])[1] < 0.2


@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=80), st.integers(1, 5000))
def test_whatever_the_losses_the_curve_stays_in_its_box(losses: list[float], total: int) -> None:
    drawn = loss_chart([(index, loss) for index, loss in enumerate(losses)], max(total, len(losses)), [])
    for point in drawn["raw"].removeprefix("M").split("L"):
        x, y = map(float, point.split())
        assert charts.LEFT <= x <= charts.WIDTH
        assert 0 <= y <= charts.BOTTOM


def test_a_day_is_a_stack_that_reaches_the_sum_of_its_kinds() -> None:
    drawn = usage_chart(
        [{"pictures": 4, "training": 40}, {}, {"films": 5}], {"training": "c", "pictures": "", "films": "b"}
    )
    first_day = [bar for bar in drawn["bars"] if bar.x == 0]
    assert [bar.look for bar in first_day] == ["c", ""]
    assert first_day[1].y + first_day[1].height == pytest.approx(first_day[0].y)
    assert first_day[0].height == pytest.approx(10 * first_day[1].height, abs=0.5)
    assert [tick.text for tick in drawn["values"]] == ["50", "25", "0"]


def test_a_month_without_use_is_an_empty_plot() -> None:
    assert usage_chart([{}] * 30, {"pictures": ""})["bars"] == []


@pytest.mark.parametrize(("most", "said"), [(1, "2 1 0"), (3, "4 2 0"), (24, "30 15 0"), (1200, "1,500 750 0")])
def test_an_axis_is_written_in_whole_credits(most: int, said: str) -> None:
    assert [tick.text for tick in usage_chart([{"n": most}], {"n": ""})["values"]] == said.split()


def test_a_second_line_shows_the_error_on_works_that_are_not_learned() -> None:
    drawn = loss_chart([(1, 0.2), (100, 0.1)], 100, [100], [(1, 0.2), (100, 0.3)])
    assert drawn["held_last"] == "0.300"
    for point in drawn["held"].removeprefix("M").split("L"):
        assert charts.TOP <= float(point.split()[1]) <= charts.BOTTOM


def test_days_that_are_no_month_s_have_words_of_their_own() -> None:
    words = [f"day {number}" for number in range(1, 31)]
    drawn = usage_chart([{"n": 1}] * 30, {"n": ""}, words)
    assert [tick.text for tick in drawn["days"]] == ["day 3", "day 7", "day 11", "day 15", "day 19", "day 23", "day 27"]
    assert all(4 < tick.at < 96 for tick in drawn["days"]), "none is cut off at the edge"
    assert [tick.text for tick in usage_chart([{"n": 1}] * 7, {"n": ""}, words[:7])["days"]] == words[:7]
