"""Reading runs and versions."""

from __future__ import annotations

from django.db.models import QuerySet

from styles.models import Adapter, Style
from training.models import Checkpoint, Run, Sample

LOSS_POINTS = 240  # more than a chart of 384 px can show


def latest_run(style: Style) -> Run | None:
    return Run.objects.filter(style=style).select_related("job", "adapter", "style").order_by("-id").first()


def versions(style: Style) -> QuerySet[Adapter]:
    """The style's versions, newest first; what failed or was cancelled is none."""
    gone = (Adapter.State.DELETED, Adapter.State.FAILED)
    return style.adapters.exclude(state__in=gone).order_by("-number")


def samples_by_step(run: Run) -> list[tuple[int, list[Sample]]]:
    """(step, its samples in the order of the prompts), ascending; only steps that are complete."""
    by_step: dict[int, list[Sample]] = {}
    for sample in run.samples.all():
        by_step.setdefault(sample.step, []).append(sample)
    wanted = len(run.settings["prompts"])
    return [(step, by_step[step]) for step in sorted(by_step) if len(by_step[step]) == wanted]


def held_out_curve(run: Run) -> list[tuple[int, float]]:
    """(step, loss) on the works that are held out; measured seldom, so all of them."""
    measured = run.metrics.exclude(held_out=None).values_list("step", "held_out")
    return [(step, loss) for step, loss in measured if loss is not None]


def picked_samples(run: Run) -> list[Sample]:
    """What the checkpoint in the version drew, in the order of the prompts."""
    picked = run.checkpoints.filter(picked=True).first()
    return list(run.samples.filter(step=picked.step)) if picked else []


def judged(run: Run) -> list[Checkpoint]:
    """The finalists, the best first; none where nothing was judged."""
    return list(run.checkpoints.exclude(finalist=None).exclude(score=None).order_by("finalist"))


def loss_curve(run: Run) -> list[tuple[int, float]]:
    """(step, loss), thinned to what a chart can show; the last point is always there."""
    points = list(run.metrics.values_list("step", "loss"))
    if len(points) <= LOSS_POINTS:
        return points
    stride = len(points) / LOSS_POINTS
    return [points[int(n * stride)] for n in range(LOSS_POINTS - 1)] + [points[-1]]
