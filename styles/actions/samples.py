"""A set of pictures that comes with the product, for those who have no twenty at hand."""

from __future__ import annotations

import json
from pathlib import Path

from django.core.files import File
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from styles import rules
from styles.actions.papers import declare
from styles.actions.references import Accepted, Incoming, add_references
from styles.actions.styles import create_style
from styles.models import Declaration, Style

SAMPLE_SET = Path(__file__).resolve().parent.parent / "sample_set"


def create_sample_style(*, owner: User) -> Style:
    """The sample style of this person, made now if it is not there. Its works pass the same intake as all others."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)  # a double click must not make two
        style = Style.objects.owned_by(owner).filter(is_sample=True).first()
        if style is None:
            style = create_style(
                owner=owner,
                name=_("Ink outline icons (sample)"),
                description=_("24 pictures by OpenMoji, under CC BY-SA 4.0."),
                is_sample=True,
            )
            declare(style=style, user=owner, choice=Declaration.Choice.MAY_USE)
            _fill(style)
    style.refresh_from_db()
    return style


def _fill(style: Style) -> None:
    entries = json.loads((SAMPLE_SET / "subjects.json").read_text())
    rules.not_too_fast(style.owner, files=len(entries))
    incoming = [
        Incoming(entry["filename"], File((SAMPLE_SET / entry["filename"]).open("rb")), entry["caption"])
        for entry in entries
    ]
    try:
        verdicts = add_references(style=style, files=incoming)
    finally:
        for one in incoming:
            one.file.close()
    refused = [verdict for verdict in verdicts if not isinstance(verdict, Accepted)]
    if refused:
        raise RuntimeError(f"the sample set that ships with the product is damaged: {refused[0]}")
