"""Who somebody is here, and how the house looks to them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import actions, avatars
from accounts.forms import ProfileForm
from accounts.models import Profile, User
from accounts.views.answers import person, saved
from config.kit.errors import Refusal
from config.kit.rendering import page

TEMPLATE = "accounts/settings.html"


@require_safe
@login_required
def settings_page(request: HttpRequest) -> HttpResponse:
    return page(request, TEMPLATE, _context(request))


@require_POST
@login_required
def save_profile(request: HttpRequest) -> HttpResponse:
    form = ProfileForm(request.POST)
    if form.is_valid():
        try:
            actions.save_profile(user=person(request), **form.cleaned_data)
            return _saved(request, "profile", _("Your profile is saved."))
        except Refusal as refusal:
            form.refuse(refusal)
    return page(request, TEMPLATE, _context(request) | {"profile_form": form}, part="profile", status=422)


@require_POST
@login_required
def save_appearance(request: HttpRequest) -> HttpResponse:
    actions.save_profile(
        user=person(request), theme=request.POST.get("theme", ""), language=request.POST.get("language")
    )
    return _saved(request, "appearance", _("The appearance is saved."))


@require_POST
@login_required
def save_avatar(request: HttpRequest) -> HttpResponse:
    """A plain form: the bar above shows the picture, too, so the page comes anew."""
    try:
        avatars.save_avatar(user=person(request), file=request.FILES.get("avatar"))
    except Refusal as refusal:
        return page(request, TEMPLATE, _context(request) | {"avatar_error": refusal.say}, status=422)
    messages.success(request, _("Your picture is saved."))
    return redirect("accounts:settings")


@require_POST
@login_required
def remove_avatar(request: HttpRequest) -> HttpResponse:
    avatars.remove_avatar(user=person(request))
    messages.success(request, _("Your picture is removed."))
    return redirect("accounts:settings")


def _saved(request: HttpRequest, part: str, say: str) -> HttpResponse:
    return saved(request, TEMPLATE, _context(request), part=part, at="accounts:settings", say=say)


def _context(request: HttpRequest) -> dict[str, Any]:
    user = User.objects.get(pk=person(request).pk)  # as it is stored, whatever a refused form tried
    profile, _made = Profile.objects.get_or_create(user=user)
    stored = {"name": user.name, "handle": user.handle, "about": profile.about, "links": profile.links}
    return {
        "profile_form": ProfileForm(initial=stored),
        "person": user,
        "avatar_url": avatars.url_of(profile),
        "language": profile.language,
        "languages": settings.LANGUAGES,
        "theme": profile.theme,
        "themes": [("dark", _("Dark")), ("light", _("Light")), ("system", _("Like the system"))],
    }
