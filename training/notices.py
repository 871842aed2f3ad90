"""What this room tells people: that a training has ended, what came of it, and what it cost. Once a job."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.language import speaking_to
from accounts.notifications import Example, Facts, Kind, notify
from gpu.models import Job
from training.models import Run

ENDED = Kind(
    "training.ended",
    gettext_lazy("A training ended"),
    mail=True,
    action=gettext_lazy("See what it learned"),
    example=Example(
        title=gettext_lazy("Harbour has learned"),
        body=gettext_lazy("Version 3 is ready to draw with. Compare its checkpoints, and keep the one you like best."),
        url="/styles/",
        facts=(
            (gettext_lazy("Style"), "Harbour"),
            (gettext_lazy("Version"), "3"),
            (gettext_lazy("Checkpoints"), "4"),
            (gettext_lazy("Cost"), gettext_lazy("40 credits")),
        ),
    ),
)


def succeeded(run: Run, job: Job, *, checkpoints: int, cost: int) -> None:
    """It ran to its end, or was stopped by its artist: then what was finished is kept."""
    with speaking_to(job.owner):
        title, body = _what_came_of_it(run, job, checkpoints)
        _tell(run, job, title, body, checkpoints=checkpoints, cost=cost)


def failed(run: Run, job: Job) -> None:
    """It could not go on; nothing of it is paid."""
    facts = {"style": run.style.name, "version": run.adapter.number, "say": job.error_say}
    with speaking_to(job.owner):
        title = _("%(style)s could not finish learning") % facts
        body = _("%(say)s Version %(version)s is not kept, and it cost nothing.") % facts
        _tell(run, job, title, body.strip(), checkpoints=0, cost=0)


def _what_came_of_it(run: Run, job: Job, checkpoints: int) -> tuple[str, str]:
    facts = {"style": run.style.name, "version": run.adapter.number}
    if checkpoints == 0:
        title = _("%(style)s was stopped before anything was finished") % facts
        body = _("Nothing is kept of version %(version)s, and it cost nothing.") % facts
    elif job.stop_at:
        title = _("%(style)s was stopped and kept what it had learned") % facts
        body = _("Version %(version)s is ready to draw with, as it was at its best finished checkpoint.") % facts
    else:
        title = _("%(style)s has learned") % facts
        body = (
            _("Version %(version)s is ready to draw with. Compare its checkpoints, and keep the one you like best.")
            % facts
        )
    return title, body


def _tell(run: Run, job: Job, title: str, body: str, *, checkpoints: int, cost: int) -> None:
    facts: Facts = (
        (_("Style"), run.style.name),
        (_("Version"), str(run.adapter.number)),
        (_("Checkpoints"), str(checkpoints)),
        (_("Cost"), ngettext("%(n)d credit", "%(n)d credits", cost) % {"n": cost}),
    )
    url = reverse("training:run", args=[run.style.public_id])
    key = f"job:{job.public_id}"
    notify(user=job.owner, kind=ENDED.name, key=key, title=title, body=body, url=url, facts=facts)
