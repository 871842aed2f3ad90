"""Batches and their forming pictures, rendered without a request: page, polling and socket show the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.fragments import tile
from generation import queries
from generation.addresses import address
from generation.models import Output, Request
from generation.tools import has_styles, title_of
from generation.tools.text_to_image import NAME
from gpu import lifecycle
from gpu.models import Job

ROW = 4  # pictures beside one another
TALLEST = 448  # pixels of a picture in a batch; small ones are enlarged twice at most


@dataclass(frozen=True)
class Row:
    """Tiles beside one another; `sum` bounds the row's width, in units of its greatest height."""

    tiles: list[SafeString]
    sum: str


def batch(request: Request) -> SafeString:
    """A request with its pictures, `#batch-<id>`."""
    context = {"id": _batch_id(request), "request_id": request.public_id, "head": head(request), "rows": rows(request)}
    return render_to_string("generation/_batch.html", context)


def rows(request: Request) -> list[Row]:
    """The pictures in rows of like length; those that were deleted leave no gap."""
    shown = [output for output in request.outputs.all() if not (output.artwork and output.artwork.deleted_at)]
    if not shown:
        return []
    length = math.ceil(len(shown) / math.ceil(len(shown) / ROW))
    width, height = request.params["width"], request.params["height"]
    enlarged = min(1.0, 2 * height / TALLEST)
    return [
        Row(
            tiles=[picture(output) for output in shown[start : start + length]],
            sum=f"{width / height * len(shown[start : start + length]) * enlarged:.3f}",
        )
        for start in range(0, len(shown), length)
    ]


def head(request: Request, *, oob: bool = False) -> SafeString:
    """The prompt, where it stands and what can be done, `#batch-<id>-head`; `oob` beside another part in one answer."""
    outputs = list(request.outputs.all())
    jobs = [output.job for output in outputs]
    state = queries.state_of(request)
    context = {
        "id": _batch_id(request),
        "request": request,
        "title": request.prompt or title_of(request.tool),
        "made_with": "" if request.tool == NAME else title_of(request.tool),
        "source": request.source if request.source and request.source.deleted_at is None else None,
        "reuse": address(request.tool, reuse=str(request.public_id)),
        "oob": oob,
        "working": state in ("queued", "running"),
        "say": _where(jobs),
        "mix": _mix(request),
        "retry": state not in ("queued", "running") and any(job.state in ("failed", "cancelled") for job in jobs),
        "count": len(outputs),
        "price": sum(job.price for job in jobs),
        "notices": _notices(outputs),
        "unpaid": sum(job.price for job in jobs if job.state in ("failed", "cancelled")),
    }
    return render_to_string("generation/_batch_head.html", context)


def picture(output: Output) -> SafeString:
    """One picture in its place, `#output-<id>`: forming, finished, or why there is none."""
    job, id = output.job, _id(output)
    if output.artwork and output.artwork.deleted_at is None:
        return tile(output.artwork, id=id)
    context = {
        "id": id,
        "output": output,
        "job": job,
        "width": output.request.params["width"],
        "height": output.request.params["height"],
        "number": output.ordinal + 1,
    }
    if not job.ended:
        return render_to_string("generation/_forming.html", context)
    return render_to_string("generation/_ended.html", context)


def live(output: Output) -> SafeString:
    """What an open tab replaces when the job has news.

    While it draws only the figures: the preview stays, and a button under a finger is not taken away.
    """
    job, request = output.job, queries.request_of(output)
    if job.state == Job.State.RUNNING:
        state = {"id": _batch_id(request), "say": _where([one.job for one in request.outputs.all()])}
        return SafeString(_figures(output) + render_to_string("generation/_state.html", state))
    parts: list[str] = [picture(output), head(request), said(request, output)]
    # a push that came before the batch was on the page is lost: the running neighbour is told of once more
    parts += [_figures(one) for one in request.outputs.all() if one.job.state == Job.State.RUNNING]
    if job.state in (Job.State.FAILED, Job.State.CANCELLED):
        parts.append(_purse(request))
    return SafeString("".join(parts))


def _figures(output: Output) -> str:
    """How far a forming picture is, without the picture."""
    context = {"id": _id(output), "job": output.job, "number": output.ordinal + 1}
    return render_to_string("generation/_progress.html", context)


def preview(job: Job, step: int, webp: str) -> SafeString:
    """The forming picture alone, `#output-<id>-preview`. Its step is told by the figures, which come on their own."""
    context = {"id": f"output-{job.subject}", "src": f"data:image/webp;base64,{webp}", "step": step, "steps": job.steps}
    return render_to_string("generation/_preview.html", context)


def said(request: Request, output: Output) -> SafeString:
    """For those who listen: which picture is there, `#batch-<id>-said`."""
    words = {
        Job.State.SUCCEEDED: _("Picture %(n)d is ready."),
        Job.State.FAILED: _("Picture %(n)d could not be made. It cost nothing."),
        Job.State.CANCELLED: _("Picture %(n)d was stopped. It cost nothing."),
    }
    say = words.get(Job.State(output.job.state), "")
    context = {"id": _batch_id(request), "say": say % {"n": output.ordinal + 1} if say else ""}
    return render_to_string("generation/_said.html", context)


def _purse(request: Request) -> str:
    """What was held came back: `#balance` in the bar, `#dock-balance` beside the button."""
    context = {"available": queries.spendable(request.owner)}
    return render_to_string("ui/balance.html", context) + render_to_string("generation/_balance.html", context)


def _where(jobs: list[Job]) -> str:
    """Of a batch that is not finished: how long it takes, or how long the line is."""
    running = next((job for job in jobs if job.state == Job.State.RUNNING and job.eta_seconds), None)
    waiting = [job for job in jobs if job.state == Job.State.QUEUED]
    if running and running.eta_seconds:
        whole = running.eta_seconds / max(0.05, 1 - running.progress)
        seconds = math.ceil(running.eta_seconds + whole * len(waiting))
        return ngettext("forming, %(n)d second left", "forming, %(n)d seconds left", seconds) % {"n": seconds}
    if len(waiting) < len(jobs) and any(not job.ended for job in jobs):
        return _("forming")
    place = lifecycle.position(waiting[0]) if waiting else None
    if place is None or place == 1:
        return _("next in the line")
    return ngettext("%(n)d before it in the line", "%(n)d before it in the line", place - 1) % {"n": place - 1}


def _notices(outputs: list[Output]) -> list[str]:
    """What was changed so that it could go on, and how it was made where that is not plain; each sentence once."""
    said = [notice["say"] for output in outputs for notice in output.job.notices]
    said += [output.made["say"] for output in outputs if output.made.get("say")]
    return list(dict.fromkeys(said))


def _mix(request: Request) -> str:
    """The styles it is drawn in; "" where none can be."""
    if not has_styles(request.tool, request.params):
        return ""
    links = request.styles.all()
    return " + ".join(f"{link.style.name} {link.weight:g}" for link in links) or _("no style")


def _id(output: Output) -> str:
    return f"output-{output.public_id}"


def _batch_id(request: Request) -> str:
    return f"batch-{request.public_id}"
