"""Which styles are in use: a plan that holds fewer than there are keeps those used last, the others are read-only."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from config.kit.limits import limit
from styles import queries
from styles.models import Style

CHOICES_A_DAY, DAY = 3, 86_400  # a plan of one style is not a plan of all of them by turns


def note_use(styles: Iterable[Style]) -> None:
    """Pictures were asked for in these. Called in the transaction of the asking, before the purse is locked.

    A style that somebody else is noting or changing just now is noted by them.
    """
    if ids := [style.pk for style in styles]:
        free = Style.objects.select_for_update(skip_locked=True).filter(pk__in=ids)
        Style.objects.filter(pk__in=free.values("pk")).update(used_at=timezone.now())


@transaction.atomic
def use_instead(*, style: Style) -> Style | None:
    """Work with this read-only style; answers the one that becomes read-only in its place."""
    if not queries.is_read_only(style):
        return None
    say = _("You chose three times today. Tomorrow you can choose anew; nothing is lost meanwhile.")
    limit("style-choice", str(style.owner_id), times=CHOICES_A_DAY, seconds=DAY, say=say)
    resting = queries.next_to_rest(style.owner)
    Style.objects.filter(pk=style.pk).update(used_at=timezone.now())
    audit.record(actor=style.owner, verb="style.use_instead", target_kind="style", target=style.public_id)
    return resting
