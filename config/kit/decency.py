"""Whether words may stand in the product. The check itself belongs to a room above, which registers it."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _

from config.kit.errors import Refusal

Check = Callable[[str], str]  # a text → the sentence of a refusal, or nothing
_checks: list[Check] = []


def register(check: Check) -> None:
    """From `AppConfig.ready()`."""
    if check not in _checks:
        _checks.append(check)


def is_decent(text: str) -> bool:
    """Whether every check lets `text` pass. Raises `Refusal` where there is none: what cannot be checked is refused."""
    if not _checks:
        raise Refusal(
            _("The safety check could not run, so nothing was taken. Please try again in a minute."),
            code="safety_unavailable",
            status=503,
        )
    return not any(check(text) for check in _checks)
