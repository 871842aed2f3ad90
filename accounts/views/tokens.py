"""Keys for a person's own programs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import tokens
from accounts.closing import refuse_while_closing
from accounts.forms import TokenForm
from accounts.views.answers import person, saved
from config.kit.errors import Refusal
from config.kit.rendering import page

TEMPLATE = "accounts/tokens.html"


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def tokens_page(request: HttpRequest) -> HttpResponse:
    """The list. A POST makes one and answers with its text instead of a redirect: it is shown nowhere else, ever."""
    if request.method != "POST":
        return page(request, TEMPLATE, _context(request))
    form = TokenForm(request.POST)
    if form.is_valid():
        try:
            refuse_while_closing(person(request))
            _token, plain = tokens.create_token(user=person(request), **form.cleaned_data)
            return page(request, TEMPLATE, _context(request) | {"new_token": plain}, part="tokens")
        except Refusal as refusal:
            form.add_error(refusal.field or "name", refusal.say)
    return page(request, TEMPLATE, _context(request) | {"token_form": form}, part="tokens", status=422)


@require_POST
@login_required
def revoke_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    token = get_object_or_404(person(request).tokens, public_id=token_id)
    tokens.revoke_token(token=token, actor=person(request))
    say = _("“%(name)s” is revoked: it opens nothing any more.") % {"name": token.name}
    return saved(request, TEMPLATE, _context(request), part="tokens", at="accounts:tokens", say=say)


def _context(request: HttpRequest) -> dict[str, Any]:
    return {
        "tokens": person(request).tokens.filter(revoked_at=None).order_by("-created_at"),
        "token_form": TokenForm(),
    }
