"""Asking for pictures, and changing one's mind."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.core.files import File
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from billing import allowance
from config.kit import media
from config.kit.errors import Conflict, Refusal
from generation import masks, safety, sources, tools
from generation.models import Output, Request, RequestStyle
from generation.receipts import line_of
from generation.sources import Source
from generation.tools import Tool, Wish
from generation.tools.shared import MAX_SEED, require_consent
from gpu import lifecycle
from gpu.models import Job
from styles import rules
from styles.actions import note_use

STEPS_ALIKE = 10  # so many steps more or less make pictures that are still much alike to the GPU


def create_request(*, owner: User, tool: str, data: Mapping[str, Any]) -> Request:
    """Ask for pictures: one job and one hold for each, all of them or none. Raises `Refusal` with a sentence."""
    allowance.rate(owner, "submit")
    chosen = tools.get(tool)
    if chosen.makes == "video":
        allowance.allow_film(owner)
    wish = chosen.read(owner, data)
    safety.require_safe(wish.prompt)
    with transaction.atomic():
        return _place(owner, chosen, wish)


def upload_source(*, owner: User, file: File[bytes] | None) -> Source:
    """Take in a picture to start from. Raises `Refusal` with a sentence."""
    if file is None:
        raise Refusal(_("Choose a picture first."), code="file_missing", field="file")
    allowance.rate(owner, "upload")
    return sources.upload(owner, file)


def retry_output(*, output: Output) -> Output:
    """Try a picture that failed or was cancelled once more: the same seed, a new job, a new hold."""
    allowance.rate(output.request.owner, "submit")
    return _retry(output)


def _retry(output: Output) -> Output:
    with transaction.atomic():
        # without joins: who waited for the lock must see the job that the other has put there
        output = Output.objects.select_for_update().get(pk=output.pk)
        if output.job.state not in (Job.State.FAILED, Job.State.CANCELLED):
            raise Conflict(_("Only a picture that failed or was cancelled can be tried again."), code="not_ended")
        _require_allowed(output.request)
        [output.job] = _submit([output], output.job.price, output.job.affinity)
        output.file, output.made = "", {}
        output.save(update_fields=["job", "file", "made"])
    return output


def retry_request(*, request: Request) -> Request:
    """Try every picture of a request again that failed or was cancelled, all or none."""
    allowance.rate(request.owner, "submit")
    with transaction.atomic():
        ended = request.outputs.filter(job__state__in=(Job.State.FAILED, Job.State.CANCELLED))
        tried = [_retry(output) for output in ended]
    if not tried:
        raise Conflict(_("No picture of this request failed or was cancelled."), code="nothing_to_retry")
    return request


def _require_allowed(request: Request) -> None:
    """What was allowed when it was asked for may be no more: tool, style or consent are gone, the plan is smaller."""
    if tools.get(request.tool).makes == "video":
        allowance.allow_film(request.owner)
    allowance.allow_steps(request.owner, request.params.get("steps", 0))
    for link in request.styles.select_related("style__owner"):
        if link.style.deleted_at is not None:
            say = _("“%(style)s” was deleted. Bring it back first, or ask anew.") % {"style": link.style.name}
            raise Refusal(say, code="style_missing", field="styles")
        rules.may_work_with(link.style)
        require_consent(link.style)


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
    transaction.on_commit(partial(media.delete, request.mask_key), robust=True)


def _place(owner: User, tool: Tool, wish: Wish) -> Request:
    request = Request(
        owner=owner,
        tool=tool.name,
        prompt=wish.prompt,
        full_prompt=wish.full_prompt,
        negative_prompt=wish.negative_prompt,
        params=wish.params,
        seed=wish.seed,
    )
    if wish.source:
        request.source, request.source_key = wish.source.artwork, wish.source.key
    if wish.mask:
        request.mask_key = media.save(masks.key_of(request), wish.mask)
    request.save(force_insert=True)
    RequestStyle.objects.bulk_create(
        RequestStyle(request=request, style=style, adapter=adapter, weight=weight, position=position)
        for position, (style, adapter, weight) in enumerate(wish.styles)
    )
    note_use(choice.style for choice in wish.styles)
    outputs = [
        Output(request=request, ordinal=ordinal, seed=(request.seed + ordinal) % (MAX_SEED + 1))  # counted on
        for ordinal in range(wish.count)
    ]
    for output, job in zip(outputs, _submit(outputs, tool.unit_price(wish.params), _affinity(wish)), strict=True):
        output.job = job
    Output.objects.bulk_create(outputs)
    return request


def _submit(outputs: Sequence[Output], price: int, affinity: str) -> list[Job]:
    """A job for each of a request's outputs."""
    request = outputs[0].request
    return lifecycle.submit_many(
        owner=request.owner,
        kind=request.tool,
        subjects=[output.public_id for output in outputs],
        price=price,
        say=line_of(request),
        affinity=affinity,
    )


def _affinity(wish: Wish) -> str:
    """What must be loaded, and in what shape: pictures alike in it are made one after another without a switch."""
    params = wish.params
    mix = [f"{choice.adapter.sha256}:{choice.weight}" for choice in wish.styles]
    loaded = "|".join([params["base"], *mix, params.get("tier", "")])
    shape = f"{params['width']}x{params['height']}"
    pace = math.ceil(params.get("steps", 0) / STEPS_ALIKE) * STEPS_ALIKE
    return f"{params['base'][:100]} {hashlib.sha256(loaded.encode()).hexdigest()[:16]} {shape} {pace}"
