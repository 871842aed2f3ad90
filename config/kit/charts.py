"""Charts drawn on the server as SVG: they need no script, follow the theme, and arrive like any other fragment."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 384, 168
LEFT, TOP, BOTTOM = 42, 12, 147
SMOOTHING = 0.9  # the curve one reads is a running mean; the raw losses stay behind it, faint


@dataclass(frozen=True)
class Tick:
    """A word on an axis and where it stands."""

    at: float
    text: str


def _nice_bounds(low: float, high: float) -> tuple[float, float]:
    """Round a range outward to two significant digits, so that the axis carries short numbers."""
    high = max(high, low + max(abs(low), 0.01) * 0.1)  # a flat curve is drawn as one, not as its rounding errors
    unit = 10 ** math.floor(math.log10(high - low)) / 2
    return math.floor(low / unit) * unit, math.ceil(high / unit) * unit


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def smoothed(values: Sequence[float]) -> list[float]:
    """A running mean that starts at the first value instead of at zero."""
    out: list[float] = []
    for value in values:
        out.append(value if not out else SMOOTHING * out[-1] + (1 - SMOOTHING) * value)
    return out


def loss_chart(
    points: Sequence[tuple[int, float]],
    total: int,
    checkpoints: Sequence[int],
    held_out: Sequence[tuple[int, float]] = (),
) -> dict[str, Any]:
    """All that the template of the loss curve draws. `points` are (step, loss) in order of step, all finite.

    `held_out` is a second line, as measured: the error on works that are not learned.
    """
    if not points:
        return {"empty": True}
    curve = smoothed([loss for _, loss in points])
    both = [*curve, *(loss for _, loss in held_out)]
    low, high = _nice_bounds(min(both), max(both))

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT) * step / max(total, 1)

    def y(loss: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * min(1.05, max(0.0, (loss - low) / (high - low)))

    rows = [BOTTOM - (BOTTOM - TOP) * part / 3 for part in range(4)]
    digits = max(0, 2 - math.floor(math.log10(high)))
    last_step = points[-1][0]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "grid": "".join(f"M{LEFT} {row:.0f}H{WIDTH}" for row in rows),
        "losses": [Tick(row + 4, f"{low + (high - low) * part / 3:.{digits}f}") for part, row in enumerate(rows)],
        "steps": [Tick(x(total * part / 3), f"{round(total * part / 3):,}") for part in range(4)],
        "checks": "".join(f"M{x(step):.1f} 6V{BOTTOM}" for step in checkpoints),
        "raw": _path((x(step), y(loss)) for step, loss in points),
        "line": _path((x(step), y(loss)) for (step, _), loss in zip(points, curve, strict=True)),
        "held": _path((x(step), y(loss)) for step, loss in held_out) if held_out else "",
        "held_last": f"{held_out[-1][1]:.3f}" if held_out else "",
        "now_x": f"{x(last_step):.1f}",
        "now_y": f"{y(curve[-1]):.1f}",
        "first": f"{curve[0]:.3f}",
        "last": f"{curve[-1]:.3f}",
        "last_step": last_step,
        "table": _at_checkpoints(points, curve, checkpoints),
    }


def _at_checkpoints(
    points: Sequence[tuple[int, float]], curve: Sequence[float], checkpoints: Sequence[int]
) -> list[tuple[int, str]]:
    """The smoothed loss where each finished checkpoint was taken: the numbers behind the picture."""
    rows = []
    for step in checkpoints:
        until = [loss for (at, _), loss in zip(points, curve, strict=True) if at <= step]
        if until:
            rows.append((step, f"{until[-1]:.3f}"))
    return rows


@dataclass(frozen=True)
class Bar:
    """One coloured piece of a day's column."""

    x: float
    y: float
    width: float
    height: float
    look: str


USAGE_BASE, USAGE_TOP = 120, 10  # pixels; across it is drawn in percent, so that a month fits a phone, too


def usage_chart(
    days: Sequence[Mapping[str, int]], looks: Mapping[str, str], labels: Sequence[str] = ()
) -> dict[str, Any]:
    """Columns of credits per day, stacked by kind. `looks` names each kind's class and orders the stack from below.

    `labels` are the words of days that are no month's; about seven of them are written.
    """
    highest = max((sum(day.values()) for day in days), default=0)
    power = math.floor(math.log10(max(highest, 1)))
    unit = (2, 10)[power] if power < 2 else 10**power // 2  # even where half of it would not be whole
    top = max(1, math.ceil(highest / unit)) * unit
    slot = 100 / max(len(days), 1)
    bars = []
    for index, day in enumerate(days):
        base = float(USAGE_BASE)
        for kind, look in looks.items():
            height = (USAGE_BASE - USAGE_TOP) * day.get(kind, 0) / top
            if height:
                base -= height
                bars.append(Bar(round(index * slot, 2), round(base, 1), round(slot * 0.71, 2), round(height, 1), look))
    marks = [1, *range(5, len(days) + 1, 5)]
    words = [str(day) for day in range(1, len(days) + 1)]
    if labels:
        step = math.ceil(len(days) / 8)
        marks, words = list(range(1 + step // 2, len(days) + 1, step)), list(labels)
    return {
        "bars": bars,
        "days": [Tick(round((day - 1) * slot + slot * 0.355, 2), words[day - 1]) for day in marks],
        "values": [Tick(y, f"{value:,.0f}") for y, value in ((10, top), (65, top / 2), (120, 0))],
    }
