"""The pages of the tools: the dock, and the wall on which pictures form."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from config.kit.errors import Refusal
from config.kit.paging import page_of
from config.kit.rendering import page
from gallery.addresses import thumb_url
from gallery.models import Artwork
from generation import actions, fragments, sources, tools
from generation.addresses import address
from generation.dock import asked, dock, posted, row_of, tools_with
from generation.models import Output, Request
from generation.queries import request_of, spendable
from generation.recipes import recipe_of_request
from generation.tools import Tool
from generation.tools.text_to_image import NAME
from styles.models import Style

PAGE = 8  # batches
CHOICE = 40  # of one's latest pictures to start from


@require_http_methods(["GET", "POST"])
@login_required
def create(request: HttpRequest, tool: str = NAME) -> HttpResponse:
    """The page of a tool: the dock, the picture it starts from, and what was made with it."""
    user, chosen = _user(request), _tool(tool)
    if request.method == "POST":
        return _ask(request, chosen)
    cursor = request.GET.get("before", "")
    values = asked(user, chosen, request.GET)
    source = sources.find(user, values.get("source")) if chosen.needs_source else None
    if chosen.needs_source and source is None:
        if request.GET.get("source"):
            raise Http404
        return _choose(request, chosen)
    context = {**dock(user, chosen, source, values), **_wall(user, chosen, cursor)}
    return page(request, "generation/create.html", context, part="older" if cursor else None)


def _choose(request: HttpRequest, tool: Tool, *, error: Refusal | None = None) -> HttpResponse:
    """Without a picture there is nothing to start from: one's own, or one from the device."""
    pictures = Artwork.objects.owned_by(_user(request)).filter(kind=Artwork.Kind.IMAGE)
    context = {
        "tool": tool,
        "tools": tools_with(),
        "error": error,
        "pictures": [
            (one, thumb_url(one), address(tool.name, source=str(one.public_id)))
            for one in pictures.order_by("-created_at", "-public_id")[:CHOICE]
        ],
    }
    return render(request, "generation/choose.html", context, status=error.status if error else 200)


@require_POST
@login_required
def upload(request: HttpRequest, tool: str) -> HttpResponse:
    """Take in a picture to start from, and show the tool with it."""
    user, chosen = _user(request), _tool(tool)
    try:
        source = actions.upload_source(owner=user, file=request.FILES.get("file"))
    except Refusal as refusal:
        return _choose(request, chosen, error=refusal)
    return redirect(address(chosen.name, source=source.id))


def _ask(request: HttpRequest, tool: Tool) -> HttpResponse:
    user, data = _user(request), posted(request.POST, request.FILES)
    htmx = bool(getattr(request, "htmx", False))
    try:
        made = actions.create_request(owner=user, tool=tool.name, data=data)
    except Refusal as refusal:
        context: dict[str, Any] = {"error": refusal}
        if htmx:  # 422 whatever the cause: the page then shows the sentence beside the button
            return render(request, "generation/create.html#refused", context, status=422)
        source = sources.find(user, data["source"]) if tool.needs_source else None
        if tool.needs_source and source is None:
            return _choose(request, tool, error=refusal)
        context |= {**dock(user, tool, source, data), **_wall(user, tool, "")}
        return render(request, "generation/create.html", context, status=refusal.status)
    if not htmx:
        again = str(made.public_id) if tool.needs_source else ""
        return redirect(f"{address(tool.name, reuse=again)}#batch-{made.public_id}")
    return _answer(request, made)


@require_safe
@login_required
def style_row(request: HttpRequest, style_id: uuid.UUID) -> HttpResponse:
    """One more style in the mix."""
    style = get_object_or_404(Style.objects.owned_by(_user(request)), public_id=style_id)
    return render(request, "generation/_style_row.html", {"row": row_of(style)})


@require_safe
@login_required
def head(request: HttpRequest, request_id: uuid.UUID) -> HttpResponse:
    return HttpResponse(fragments.head(_own_request(request, request_id)))


@require_safe
@login_required
def output(request: HttpRequest, output_id: uuid.UUID) -> HttpResponse:
    return HttpResponse(fragments.picture(_own_output(request, output_id)))


@require_POST
@login_required
def cancel(request: HttpRequest, request_id: uuid.UUID) -> HttpResponse:
    own = _own_request(request, request_id)
    actions.cancel_request(request=own)
    return HttpResponse(fragments.batch(_fresh(own)))


@require_POST
@login_required
def retry(request: HttpRequest, request_id: uuid.UUID) -> HttpResponse:
    own = actions.retry_request(request=_own_request(request, request_id))
    return HttpResponse(fragments.batch(_fresh(own)))


@require_POST
@login_required
def again(request: HttpRequest, request_id: uuid.UUID) -> HttpResponse:
    """The same recipe with new seeds."""
    own = _own_request(request, request_id)
    made = actions.create_request(owner=own.owner, tool=own.tool, data=recipe_of_request(own))
    return _answer(request, made)


@require_POST
@login_required
def cancel_output(request: HttpRequest, output_id: uuid.UUID) -> HttpResponse:
    own = _own_output(request, output_id)
    actions.cancel_output(output=own)
    return _picture_and_head(_own_output(request, output_id))


@require_POST
@login_required
def retry_output(request: HttpRequest, output_id: uuid.UUID) -> HttpResponse:
    actions.retry_output(output=_own_output(request, output_id))
    return _picture_and_head(_own_output(request, output_id))


def _tool(name: str) -> Tool:
    try:
        return tools.get(name)
    except Refusal as refusal:
        raise Http404 from refusal


def _wall(user: User, tool: Tool, cursor: str) -> dict[str, Any]:
    """What was made, latest first: with this tool, or with all of them beside the one that begins with words."""
    rows = Request.objects.owned_by(user).whole()
    if tool.needs_source:
        rows = rows.filter(tool=tool.name)
    shown = page_of(rows, cursor=cursor, size=PAGE)
    older = f"{address(tool.name)}?before={shown.next}" if shown.next else ""
    return {"batches": [fragments.batch(one) for one in shown.items], "older": older, "first": not cursor}


def _answer(request: HttpRequest, made: Request) -> HttpResponse:
    """The new batch, which the page puts first."""
    context = {"batch": fragments.batch(_fresh(made)), "available": spendable(made.owner)}
    return render(request, "generation/create.html#made", context)


def _picture_and_head(own: Output) -> HttpResponse:
    return HttpResponse(fragments.picture(own) + fragments.head(request_of(own), oob=True))


def _fresh(request: Request) -> Request:
    return Request.objects.whole().get(pk=request.pk)


def _own_request(request: HttpRequest, request_id: uuid.UUID) -> Request:
    return get_object_or_404(Request.objects.owned_by(_user(request)).whole(), public_id=request_id)


def _own_output(request: HttpRequest, output_id: uuid.UUID) -> Output:
    return get_object_or_404(Output.objects.owned_by(_user(request)).whole(), public_id=output_id)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # every view here asks for a person
    return request.user
