"""The live parts of a training, rendered without a request: page, polling and socket show the same."""

from __future__ import annotations

import json
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from config.kit import media
from gpu import lifecycle
from gpu.engine.catalogue import describe
from gpu.models import Job
from styles.fragments import status_badge
from training import queries
from training.models import Checkpoint, Run, Sample

# From which on a measure has earned its word, 0..1; for leaks as in the engine's reasons.
CLOSE, PARTLY, LEAKS = 0.7, 0.35, 0.5
LOSS_EVERY = 20  # steps after which the curve is worth drawing anew

# The steps an artist sees, each with the engine's phases and a width like the time it takes.
PHASES = (
    ("prepare", ("checking", "preparing"), 3),
    ("encode", ("encoding",), 3),
    ("learn", ("training", "sampling"), 14),
    ("judge", ("judging", "finishing"), 3),
)


def phases(run: Run) -> list[dict[str, Any]]:
    """Where the run stands, for `ui/phase_stepper.html`. The last step, choosing, is the artist's."""
    job = run.job
    now = next((n for n, (_name, own, _share) in enumerate(PHASES) if job.phase in own), 0)
    if job.state == Job.State.SUCCEEDED:
        now = len(PHASES)
    words = {
        "prepare": (_("Prepare"), _("%(n)s works") % {"n": run.settings["images"]}),
        "encode": (_("Encode"), _("pictures and captions")),
        "learn": (_("Learn"), _("%(n)s steps") % {"n": f"{run.settings['steps']:,}"}),
        "judge": (_("Judge"), _("compare the checkpoints")),
    }
    at_now = {"running": "now", "failed": "failed", "cancelled": "failed"}.get(job.state, "later")
    steps = [
        {
            "name": words[name][0],
            "say": words[name][1],
            "share": share,
            "state": "done" if n < now else at_now if n == now else "later",
        }
        for n, (name, _own, share) in enumerate(PHASES)
    ]
    chosen = "now" if job.state == Job.State.SUCCEEDED else "later"
    steps.append({"name": _("Choose"), "say": _("you"), "share": 3, "state": chosen})
    return steps


def _phase_progress(job: Job) -> float | None:
    """The bar under the running phase: steps while it learns, else it only shows that work goes on."""
    if job.phase in ("training", "sampling") and job.steps:
        return job.step / job.steps
    return 1.0 if job.state == Job.State.SUCCEEDED else None


def status_context(run: Run) -> dict[str, Any]:
    """The facts that change with every step. `counts` tells the page which lists have grown."""
    job, wanted = run.job, run.settings
    return {
        "run": run,
        "job": job,
        "style": run.style,
        "phases": phases(run),
        "badge": status_badge(run.style),
        "phase_progress": _phase_progress(job),
        "position": lifecycle.position(job) if job.state == Job.State.QUEUED else None,
        "seen": round(job.step * wanted["batch"] / max(1, wanted["images"])),
        "minutes": max(1, round(wanted["seconds"] / 60)),
        "stopping": job.stop_at is not None and not job.ended,
        "cancelling": job.cancel_at is not None and not job.ended,
        "samples_count": run.samples.count(),
        "points_count": run.metrics.count() // LOSS_EVERY,
        "kept": run.checkpoints.count(),
        "base": describe(wanted["base"]),
    }


def stops_context(run: Run) -> dict[str, Any]:
    """The scrubber's stops: each complete step with its samples, then the steps still to come."""
    reached: list[dict[str, Any]] = [
        {
            "step": step,
            "name": _("Step %(n)s") % {"n": f"{step:,}"} if step else _("Before training"),
            "label": f"{step:,}" if step else _("Before"),
            "urls": json.dumps([media.signed_url(sample.key) for sample in samples]),
            "samples": [{"url": media.signed_url(sample.key), "prompt": sample.prompt} for sample in samples],
        }
        for step, samples in queries.samples_by_step(run)
    ]
    last = reached[-1]["step"] if reached else -1
    later = [] if run.job.ended else [step for step in run.settings["checkpoint_steps"] if step > last]
    newest = reached[-1] if reached else None
    prompts = run.settings["prompts"]
    return {
        "run": run,
        "picks": [
            {"number": n, "prompt": prompt, "url": newest["samples"][n]["url"] if newest else ""}
            for n, prompt in enumerate(prompts)
            if n > 0
        ],
        "reached": reached,
        "later": later,
        "newest": newest,
        "count": run.samples.count(),
        "prompts": prompts,
    }


def loss_context(run: Run) -> dict[str, Any]:
    points = queries.loss_curve(run)
    return {
        "run": run,
        "points": points,
        "held_out": queries.held_out_curve(run),
        "at": [checkpoint.step for checkpoint in run.checkpoints.all()],
        "count": run.metrics.count() // LOSS_EVERY,
    }


def checkpoints_context(run: Run) -> dict[str, Any]:
    done = list(run.checkpoints.all())
    reached = {checkpoint.step for checkpoint in done}
    return {
        "run": run,
        "done": done,
        "later": [] if run.job.ended else [step for step in run.settings["checkpoint_steps"] if step not in reached],
        "each": run.checkpoint_price,
        "so_far": run.checkpoint_price * len(done),
        "count": len(done),
    }


def measures(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """What it was judged by, as bars with a word each; none where it was not judged."""
    if checkpoint.likeness is None or checkpoint.following is None or checkpoint.leak is None:
        return []
    near, told, leak = checkpoint.likeness, checkpoint.following, checkpoint.leak
    return [
        {
            "name": _("Close to your hand"),
            "value": near,
            "word": _("close") if near >= CLOSE else _("partly") if near >= PARTLY else _("not yet"),
        },
        {
            "name": _("Draws what it is told"),
            "value": told,
            "word": _("yes") if told >= CLOSE else _("mostly") if told >= PARTLY else _("seldom"),
        },
        {
            "name": _("Repeats your works"),
            "value": leak,
            "word": _("yes") if leak >= LEAKS else _("a little") if leak >= LEAKS / 2 else _("no"),
            "bad": leak >= LEAKS,
        },
    ]


def finalists_context(run: Run) -> dict[str, Any]:
    """The checkpoints side by side at the same seeds: the finalists with their reasons, then the others.

    Where nothing was judged all stand together, in their order.
    """
    by_step = dict(queries.samples_by_step(run))
    finalists = queries.judged(run)
    chosen = [one.pk for one in finalists]
    others = [one for one in run.checkpoints.all() if one.pk not in chosen]
    return {
        "run": run,
        "version": run.adapter,
        "verdict": run.verdict,
        "best": finalists[0] if finalists else None,
        "finalists": [_card(one, by_step) for one in finalists or others],
        "others": [_card(one, by_step) for one in others] if finalists else [],
        "effect": _effect(run, by_step),
    }


def _card(checkpoint: Checkpoint, by_step: dict[int, list[Sample]]) -> dict[str, Any]:
    return {
        "checkpoint": checkpoint,
        "best": checkpoint.finalist == 1 and checkpoint.score is not None,
        "measures": measures(checkpoint),
        "samples": [_shown(sample) for sample in by_step.get(checkpoint.step, [])],
    }


def _shown(sample: Sample) -> dict[str, Any]:
    return {"url": media.signed_url(sample.key), "prompt": sample.prompt}


def _effect(run: Run, by_step: dict[int, list[Sample]]) -> dict[str, Any] | None:
    """The same prompts and seeds without the style and with it, as proof that something was learned."""
    picked = run.checkpoints.filter(picked=True).first()
    if picked is None or 0 not in by_step or picked.step not in by_step:
        return None
    pairs = zip(by_step[0], by_step[picked.step], strict=True)
    return {
        "step": picked.step,
        "pairs": [
            {"left": media.signed_url(bare.key), "right": media.signed_url(own.key), "prompt": own.prompt}
            for bare, own in pairs
        ],
    }


def comparison_context(left: Run, right: Run) -> dict[str, Any]:
    """Two versions of a style: as pairs where they drew the same prompts at the same seeds, else each by itself."""
    sides = [queries.picked_samples(run) for run in (left, right)]
    keys = [{(sample.prompt, sample.seed): sample for sample in side} for side in sides]
    shared = [key for key in keys[0] if key in keys[1]]
    same = len(shared) == len(sides[0]) == len(sides[1]) > 0
    return {
        "left": left,
        "right": right,
        "pairs": [
            {
                "prompt": key[0],
                "left": media.signed_url(keys[0][key].key),
                "right": media.signed_url(keys[1][key].key),
            }
            for key in shared
        ]
        if same
        else [],
        "sides": [] if same else [[_shown(sample) for sample in side] for side in sides],
    }


def run_live(run: Run) -> str:
    """What is pushed while a run moves: its small facts; the page fetches a list when its count has changed."""
    return render_to_string("training/_live.html", status_context(run) | {"oob": True})
