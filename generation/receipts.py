"""What the ledger says of a request's outputs: the tool, the styles, which of how many, and the prompt."""

from __future__ import annotations

from generation import tools
from generation.models import Request
from generation.queries import output_of
from gpu.kinds import Receipt
from gpu.models import Job

SHOWN_PROMPT = 80  # characters of the prompt in a line of the ledger


def line_of(request: Request, *, place: str = "") -> str:
    """“Picture in Harbour, 2 of 4: a knight with a red plume”."""
    names = [link.style.name for link in request.styles.all()]
    styles = " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
    what = tools.title_of(request.tool) + (f" in {styles}" if styles else "") + (f", {place}" if place else "")
    prompt = request.prompt
    shown = prompt if len(prompt) <= SHOWN_PROMPT else f"{prompt[:SHOWN_PROMPT]}…"
    return f"{what}: {shown}" if shown else what


def receipt(job: Job) -> Receipt:
    """The line of one output."""
    output = output_of(job.subject)
    count = output.request.outputs.count()
    place = f"{output.ordinal + 1} of {count}" if count > 1 else ""
    return Receipt(line_of(output.request, place=place))
