"""The forms of the sign-in in which a password is chosen: one sentence of help instead of a list of rules."""

from __future__ import annotations

from typing import Any

from allauth.account import forms
from django.conf import settings
from django.utils.translation import gettext as _


class Calm:
    """Says what most passwords fail by; the other rules speak when they refuse one."""

    fields: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "password1" in self.fields:  # not where a passkey takes its place
            say = _("At least %(least)d characters, not one of the common ones.")
            self.fields["password1"].help_text = say % {"least": settings.PASSWORD_AT_LEAST}


class SignupForm(Calm, forms.SignupForm):  # type: ignore[misc]
    pass


class ChangePasswordForm(Calm, forms.ChangePasswordForm):  # type: ignore[misc]
    pass


class SetPasswordForm(Calm, forms.SetPasswordForm):  # type: ignore[misc]
    pass


class ResetPasswordKeyForm(Calm, forms.ResetPasswordKeyForm):  # type: ignore[misc]
    pass
