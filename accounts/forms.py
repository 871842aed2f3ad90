"""What the settings ask. The rules are in the actions; a refusal comes back to its field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.actions import MAX_ABOUT, MAX_NAME
from accounts.links import MAX_LINKS, WrongLink, said
from accounts.models import Scope
from accounts.scopes import WORDS
from accounts.tokens import MAX_NAME as MAX_TOKEN_NAME
from config.kit.errors import Refusal


class LinksInput(forms.Widget):
    """Pairs of inputs that share their names; the page lays them out."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[dict[str, str]]:
        pairs = zip(data.getlist("link_label"), data.getlist("link_url"), strict=False)
        return [{"label": label, "url": url} for label, url in pairs]


class ProfileForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name", "maxlength": MAX_NAME}),
    )
    handle = forms.CharField(
        label=_("Handle"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    about = forms.CharField(
        label=_("About you"),
        required=False,
        help_text=_("300 characters at most."),
        widget=forms.Textarea(attrs={"rows": 3, "maxlength": MAX_ABOUT}),
    )
    links = forms.Field(label=_("Links"), required=False, widget=LinksInput)

    wrong_link: int | None = None  # the row whose link was refused

    def refuse(self, refusal: Refusal) -> None:
        """Tell it at the field it is about; of a link, at its row alone."""
        if isinstance(refusal, WrongLink):
            self.wrong_link = refusal.at
        self.add_error(refusal.field, refusal.say)

    def link_rows(self) -> list[dict[str, Any]]:
        """What is there, and room for two more."""
        rows = [{**row, "wrong": at == self.wrong_link} for at, row in enumerate(said(self["links"].value() or []))]
        return (rows + [{"label": "", "url": "", "wrong": False}] * 2)[:MAX_LINKS]


class TokenForm(forms.Form):
    name = forms.CharField(
        label=_("Name of the token"),
        error_messages={"required": _("Give the token a name, so that you know it again.")},
        widget=forms.TextInput(
            attrs={"placeholder": _("Name, for you"), "size": 24, "maxlength": MAX_TOKEN_NAME, "autocomplete": "off"}
        ),
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        error_messages={"required": _("Choose at least one thing that it may do.")},
        choices=[(value, WORDS[value]) for value in Scope.values],
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.READ],
    )
