"""Pages of the person: the settings, and the one-time sign-in link."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts import actions, tokens
from accounts.forms import ProfileForm, TokenForm
from accounts.loopback import from_this_machine
from accounts.models import Profile, User
from config.kit.errors import Refusal
from config.kit.rendering import page, toast

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
TEMPLATE = "accounts/settings.html"


@require_safe
@login_required
def settings_page(request: HttpRequest) -> HttpResponse:
    return page(request, TEMPLATE, _everything(request))


@require_POST
@login_required
def save_profile(request: HttpRequest) -> HttpResponse:
    form = ProfileForm(request.POST)
    if form.is_valid():
        try:
            actions.save_profile(user=_person(request), **form.cleaned_data)
            return _saved(request, "profile", _("Your profile is saved."))
        except Refusal as refusal:
            form.add_error(refusal.field, refusal.say)
    return page(request, TEMPLATE, _everything(request) | {"profile_form": form}, part="profile", status=422)


@require_POST
@login_required
def save_appearance(request: HttpRequest) -> HttpResponse:
    actions.save_profile(user=_person(request), theme=request.POST.get("theme", ""))
    return _saved(request, "appearance", _("The appearance is saved."))


@require_POST
@login_required
@never_cache
def create_token(request: HttpRequest) -> HttpResponse:
    """Answers with the token's text instead of a redirect: this answer is the only place where it is ever shown."""
    form = TokenForm(request.POST)
    if form.is_valid():
        try:
            _token, plain = tokens.create_token(user=_person(request), name=form.cleaned_data["name"])
            return page(request, TEMPLATE, _everything(request) | {"new_token": plain}, part="tokens")
        except Refusal as refusal:
            form.add_error("name", refusal.say)
    return page(request, TEMPLATE, _everything(request) | {"token_form": form}, part="tokens", status=422)


@require_POST
@login_required
def revoke_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    token = get_object_or_404(_person(request).tokens, public_id=token_id)
    tokens.revoke_token(token=token, actor=_person(request))
    return _saved(request, "tokens", _("“%(name)s” is revoked: it opens nothing any more.") % {"name": token.name})


@require_GET
@never_cache
def use_link(request: HttpRequest, token: str) -> HttpResponse:
    """Signs in at once: whoever reads the terminal of this machine is its operator already."""
    if not from_this_machine(request):
        raise Http404
    user = actions.use_sign_in_link(plain=token)
    if user is None:
        raise Refusal(
            _("This sign-in link was used already, or its ten minutes are over. Print a new one in the terminal."),
            code="sign_in_link",
            status=410,
        )
    login(request, user, backend=BACKEND)
    return redirect("studio")


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # behind login_required
    return request.user


def _saved(request: HttpRequest, part: str, say: str) -> HttpResponse:
    """The saved group and a toast for HTMX; for a plain form the page again, at its group."""
    if getattr(request, "htmx", False):
        return toast(page(request, TEMPLATE, _everything(request), part=part), say)
    messages.success(request, say)
    return redirect(f"{reverse('accounts:settings')}#{part}")


def _everything(request: HttpRequest) -> dict[str, Any]:
    user = User.objects.get(pk=_person(request).pk)  # as it is stored, whatever a refused form tried
    profile, _made = Profile.objects.get_or_create(user=user)
    connected = {account.provider: account for account in SocialAccount.objects.filter(user=user)}
    return {
        "profile_form": ProfileForm(initial={"name": user.name, "handle": user.handle, "about": profile.about}),
        "person": user,
        "theme": profile.theme,
        "themes": [("dark", _("Dark")), ("light", _("Light")), ("system", _("Like the system"))],
        "tokens": user.tokens.filter(revoked_at=None).order_by("-created_at"),
        "token_form": TokenForm(),
        "providers": [
            {"name": provider.name, "account": connected.get(provider.id)}
            for provider in get_adapter().list_providers(request)
        ],
        "mfa": Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists(),
        "has_password": user.has_usable_password(),
    }
