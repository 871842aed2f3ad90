"""The pages of the gallery: the wall, and one picture large."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from billing.allowance import mark_limit
from billing.plans import PRICES
from config.kit.paging import page_of
from config.kit.rendering import page, toast
from config.kit.text import one_line
from gallery import actions, addresses, onward, queries
from gallery.fragments import thumbs, tile
from gallery.likeness import nearest
from gallery.models import Artwork
from gallery.wall import by_day
from styles.models import Style

PAGE = 40  # some five rows on a wide screen
EAGER = 8  # the first rows are seen at once
MAX_QUERY = 200
SHOWN_KINDS = (Artwork.Kind.IMAGE, Artwork.Kind.VIDEO)
ENLARGED_BELOW = 400  # pixels: a smaller picture is lost on a large screen
DELETED, OFFER = "deleted_artworks", "offer_undo"  # in the session
CHANGED = "gallery-changed"  # the wall hears it and fetches itself anew


@require_safe
@login_required
def gallery(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    wanted = _filters(request)
    cursor = request.GET.get("before", "")
    found = Artwork.objects.owned_by(user).matching(**wanted)
    shown = page_of(found.with_styles(), cursor=cursor, size=PAGE)

    def hang(picture: Artwork, place: int) -> SafeString:
        return tile(picture, select=True, eager=not cursor and place < EAGER)

    context: dict[str, Any] = {
        "days": by_day(shown.items, after=cursor, tile=hang),
        "filtered": any(wanted.values()),
        "wanted": wanted,
        "older": _address(wanted, shown.next) if shown.next else "",
        "here": _address(wanted),
        "first": not cursor,
        "price": PRICES["picture"],
    }
    if not cursor:  # what stands around the wall
        mine = Artwork.objects.owned_by(user)
        context |= {
            "count": found.count(),
            "films": mine.filter(kind=Artwork.Kind.VIDEO).count(),
            "favourites": mine.filter(favourite=True).count(),
            "styles": Style.objects.owned_by(user).filter(artwork_links__artwork__in=mine).distinct().order_by("name"),
            "undo": _undo(request),
        }
    return page(request, "gallery/artwork_list.html", context, part="more" if cursor else "wall")


@require_safe
@login_required
def artwork(request: HttpRequest, artwork_id: uuid.UUID) -> HttpResponse:
    shown = get_object_or_404(Artwork.objects.owned_by(_user(request)).with_styles(), public_id=artwork_id)
    newer, older = queries.neighbours(shown)
    parent = queries.parent_of(shown)
    return render(
        request,
        "gallery/artwork_detail.html",
        {
            "artwork": shown,
            "src": addresses.file_url(shown),
            "poster": addresses.poster_url(shown),
            "download": addresses.download_url(shown),
            "mark": mark_limit(shown.owner) if addresses.is_marked(shown) else None,
            "newer": newer[0] if newer else None,
            "older": older[0] if older else None,
            "strip": thumbs([*reversed(newer), shown, *older]),
            "parent": thumbs([parent])[0] if parent else None,
            "children": thumbs(queries.children_of(shown)),
            "nearest": nearest(shown),
            "onward": onward.steps(shown),
            "enlarged": max(shown.width, shown.height) < ENLARGED_BELOW,
        },
    )


@require_POST
@login_required
def favourite(request: HttpRequest, artwork_id: uuid.UUID) -> HttpResponse:
    """Turns the heart. The wall says where it stands with `place`."""
    own = _own(request, artwork_id)
    actions.favourite(artwork=own, on=not own.favourite)
    if not getattr(request, "htmx", False):
        return redirect("gallery:artwork", own.public_id)
    large = request.GET.get("large") == "1"
    context = {
        "url": request.get_full_path(),
        "on": own.favourite,
        "of": own.says,
        "place": "" if large else "on-picture small",
        "key": large,
    }
    return render(request, "ui/favourite.html", context)


@require_POST
@login_required
def describe(request: HttpRequest, artwork_id: uuid.UUID) -> HttpResponse:
    own = _own(request, artwork_id)
    actions.describe(artwork=own, alt_text=request.POST.get("alt_text", ""))
    messages.success(request, _("The description is saved."))
    return redirect("gallery:artwork", own.public_id)


@require_POST
@login_required
def delete(request: HttpRequest, artwork_id: uuid.UUID) -> HttpResponse:
    """Back to the wall, which offers to undo it."""
    own = _own(request, artwork_id)
    actions.delete_artwork(artwork=own)
    _remember(request, [own.public_id])
    return redirect("gallery:gallery")


@require_POST
@login_required
def selection(request: HttpRequest) -> HttpResponse:
    """What the bar below the wall does with everything that is ticked."""
    user, ids = _user(request), _ids(request.POST.getlist("artwork"))
    if request.POST.get("do") == "favourite":
        count = actions.favourite_artworks(owner=user, ids=ids)
        say = ngettext("%(n)d picture is a favourite now.", "%(n)d pictures are favourites now.", count)
        return _changed(request, say % {"n": count})
    count = actions.delete_artworks(owner=user, ids=ids)
    _remember(request, ids)
    say = ngettext("%(n)d picture was deleted.", "%(n)d pictures were deleted.", count) % {"n": count}
    return _changed(request, say, undo_url=reverse("gallery:restore"))


@require_POST
@login_required
def restore(request: HttpRequest) -> HttpResponse:
    """Undo the last deletion."""
    ids = _ids(request.session.pop(DELETED, []))
    count = actions.restore_artworks(owner=_user(request), ids=ids)
    say = ngettext("%(n)d picture hangs again.", "%(n)d pictures hang again.", count) % {"n": count}
    return _changed(request, say)


def _changed(request: HttpRequest, say: str, *, undo_url: str = "") -> HttpResponse:
    """The wall fetches itself anew; without script the page comes again, with its offer to undo."""
    if getattr(request, "htmx", False):
        request.session.pop(OFFER, None)  # the toast offers it
        response = toast(HttpResponse(), say, undo_url=undo_url)
        response["HX-Trigger"] = json.dumps({**json.loads(response["HX-Trigger"]), CHANGED: True})
        return response
    if not undo_url:
        messages.success(request, say)
    return redirect("gallery:gallery")


def _remember(request: HttpRequest, ids: list[uuid.UUID]) -> None:
    """Which pictures the next undo brings back."""
    request.session[DELETED] = [str(one) for one in ids]
    request.session[OFFER] = True


def _undo(request: HttpRequest) -> int:
    """How many pictures a click brings back; offered by the next whole page, once."""
    if getattr(request, "htmx", False) or not request.session.pop(OFFER, False):
        return 0
    return len(request.session.get(DELETED, []))


def _filters(request: HttpRequest) -> dict[str, Any]:
    style = _ids([request.GET.get("style", "")])
    kind = request.GET.get("kind", "")
    return {
        "kind": kind if kind in SHOWN_KINDS else "",
        "style": style[0] if style else None,
        "favourite": request.GET.get("favourite") == "1",
        "q": one_line(request.GET.get("q", ""), field="q", name=_("The search"), most=MAX_QUERY),
    }


def _address(wanted: dict[str, Any], cursor: str = "") -> str:
    """This wall, with its filters, from `cursor` on."""
    query = {
        "q": wanted["q"],
        "kind": wanted["kind"],
        "style": wanted["style"],
        "favourite": "1" if wanted["favourite"] else "",
        "before": cursor,
    }
    said = urlencode({name: value for name, value in query.items() if value})
    return reverse("gallery:gallery") + (f"?{said}" if said else "")


def _ids(texts: list[str]) -> list[uuid.UUID]:
    """Those of the texts that are ids; others name nothing."""
    found = []
    for text in texts:
        try:
            found.append(uuid.UUID(text))
        except ValueError:
            continue
    return found


def _own(request: HttpRequest, artwork_id: uuid.UUID) -> Artwork:
    return get_object_or_404(Artwork.objects.owned_by(_user(request)), public_id=artwork_id)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # every view here asks for a person
    return request.user
