"""Asking for pictures, and changing one's mind."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from billing.ledger import InsufficientCredits, account_of
from config.kit.errors import Conflict
from config.kit.limits import limit
from generation import safety, tools
from generation.models import Output, Request, RequestStyle
from generation.tools import Tool, Wish
from generation.tools.text_to_image.form import MAX_SEED
from gpu import lifecycle
from gpu.models import Job

REQUESTS_A_MINUTE = 30
SHOWN_PROMPT = 80  # characters of the prompt in a line of the ledger


def create_request(*, owner: User, tool: str, data: Mapping[str, Any]) -> Request:
    """Ask for pictures: one job and one hold for each, all of them or none. Raises `Refusal` with a sentence."""
    say = _("That is more than a person can look at. Wait a minute, then ask again.")
    limit("generate", str(owner.public_id), times=REQUESTS_A_MINUTE, seconds=60, say=say)
    chosen = tools.get(tool)
    wish = chosen.read(owner, data)
    safety.require_safe(wish.prompt)
    try:
        with transaction.atomic():
            return _place(owner, chosen, wish)
    except InsufficientCredits as short:  # told for all the pictures, not for the one at which the credits ran out
        purse = account_of(owner)
        price = chosen.price * wish.count
        raise InsufficientCredits(price=price, available=purse.available, debt=purse.debt) from short


def retry_output(*, output: Output) -> Output:
    """Try a picture that failed or was cancelled once more: the same seed, a new job, a new hold."""
    with transaction.atomic():
        # without joins: who waited for the lock must see the job that the other has put there
        output = Output.objects.select_for_update().get(pk=output.pk)
        if output.job.state not in (Job.State.FAILED, Job.State.CANCELLED):
            raise Conflict(_("Only a picture that failed or was cancelled can be tried again."), code="not_ended")
        output.job = _submit(output, tools.get(output.request.tool), affinity=output.job.affinity)
        output.file = ""
        output.save(update_fields=["job", "file"])
    return output


def retry_request(*, request: Request) -> Request:
    """Try every picture of a request again that failed or was cancelled, all or none."""
    with transaction.atomic():
        ended = request.outputs.filter(job__state__in=(Job.State.FAILED, Job.State.CANCELLED))
        tried = [retry_output(output=output) for output in ended]
    if not tried:
        raise Conflict(_("No picture of this request failed or was cancelled."), code="nothing_to_retry")
    return request


def cancel_output(*, output: Output) -> None:
    """Stop one picture. What was held for it is released; one that is finished stays."""
    lifecycle.request_cancel(job_id=output.job_id)


def cancel_request(*, request: Request) -> None:
    """Stop every picture that is not finished."""
    for output in request.outputs.select_related("job"):
        if not output.job.ended:
            cancel_output(output=output)


def delete_request(*, request: Request) -> None:
    """Take a request from the list, and stop what still runs. Its pictures stay in the gallery."""
    cancel_request(request=request)
    request.deleted_at = timezone.now()
    request.save(update_fields=["deleted_at"])


def _place(owner: User, tool: Tool, wish: Wish) -> Request:
    request = Request.objects.create(
        owner=owner,
        tool=tool.name,
        prompt=wish.prompt,
        full_prompt=wish.full_prompt,
        negative_prompt=wish.negative_prompt,
        params=wish.params,
        seed=wish.seed,
    )
    RequestStyle.objects.bulk_create(
        RequestStyle(request=request, style=style, adapter=adapter, weight=weight, position=position)
        for position, (style, adapter, weight) in enumerate(wish.styles)
    )
    for ordinal in range(wish.count):
        _ask(request, tool, ordinal, affinity=_affinity(wish))
    return request


def _ask(request: Request, tool: Tool, ordinal: int, *, affinity: str) -> Output:
    """One picture: its seed is the request's, counted on."""
    output = Output(request=request, ordinal=ordinal, seed=(request.seed + ordinal) % (MAX_SEED + 1))
    output.job = _submit(output, tool, affinity=affinity)
    output.save()
    return output


def _submit(output: Output, tool: Tool, *, affinity: str) -> Job:
    prompt = output.request.prompt
    shown = prompt if len(prompt) <= SHOWN_PROMPT else f"{prompt[:SHOWN_PROMPT]}…"
    return lifecycle.submit(
        owner=output.request.owner,
        kind=tool.name,
        subject=output.public_id,
        price=tool.price,
        say=_("Picture: %(prompt)s") % {"prompt": shown},
        affinity=affinity,
    )


def _affinity(wish: Wish) -> str:
    """What must be loaded: alike for pictures that one engine makes one after another without a switch."""
    mix = [f"{choice.adapter.sha256}:{choice.weight}" for choice in wish.styles]
    loaded = "|".join([wish.params["base"], *mix])
    return f"{wish.params['base'][:100]} {hashlib.sha256(loaded.encode()).hexdigest()[:16]}"
