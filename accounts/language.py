"""The language that a person chose, on every page of theirs."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from accounts.models import Profile, User


def language_of(user: User) -> str:
    """What they chose, as long as it is spoken here; else the house's own."""
    chosen = Profile.objects.filter(user=user).values_list("language", flat=True).first()
    return chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def speaking_to(user: User) -> translation.override:
    """For `with`: what is written to them elsewhere than on their own page, by a worker or by somebody else."""
    return translation.override(language_of(user))


class LanguageMiddleware:
    """Behind the sign-in, and after `LocaleMiddleware`, whose guess from the browser holds for everyone else."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        several = len(settings.LANGUAGES) > 1  # with one there is nothing to look up
        if several and isinstance(request.user, User):
            translation.activate(language_of(request.user))
            request.LANGUAGE_CODE = translation.get_language()
        return self.get_response(request)
