"""Words that call a style."""

from __future__ import annotations

from styles.models import Style
from styles.words import new_trigger_word


def free_trigger_word() -> str:
    """A new word that no style has."""
    while Style.objects.with_deleted().filter(trigger_word=(word := new_trigger_word())).exists():
        pass
    return word
