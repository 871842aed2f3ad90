"""Reading styles and references. What was deleted is not seen unless it is asked for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Count, Prefetch, Q
from django.utils import timezone

from billing import allowance

if TYPE_CHECKING:
    from accounts.models import User
    from styles.models import Consent, Declaration, Reference, Style

COVER_PICTURES = 4


class StyleQuerySet(models.QuerySet["Style"]):
    def owned_by(self, user: User) -> StyleQuerySet:
        return self.filter(owner=user)

    def for_cards(self) -> StyleQuerySet:
        """With the first pictures and the number of works, in as many queries for fifty styles as for one."""
        from styles.models import Reference

        first = Reference.objects.filter(position__lte=COVER_PICTURES * 2).order_by("position")
        works = Count("references", filter=Q(references__deleted_at=None))
        return (
            self.annotate(works_count=works)
            .select_related("active_adapter")
            .prefetch_related(Prefetch("references", queryset=first, to_attr="first_references"))
        )


class StyleManager(models.Manager["Style"]):
    """Styles that are not deleted; `with_deleted()` sees all."""

    def get_queryset(self) -> StyleQuerySet:
        return self.with_deleted().filter(deleted_at=None)

    def with_deleted(self) -> StyleQuerySet:
        return StyleQuerySet(self.model, using=self._db)

    def owned_by(self, user: User) -> StyleQuerySet:
        return self.get_queryset().owned_by(user)


class ReferenceManager(models.Manager["Reference"]):
    """References that are not deleted; `with_deleted()` sees all."""

    def get_queryset(self) -> models.QuerySet[Reference]:
        return self.with_deleted().filter(deleted_at=None)

    def with_deleted(self) -> models.QuerySet[Reference]:
        return models.QuerySet(self.model, using=self._db)


def counted(user: User) -> StyleQuerySet:
    """The styles that a plan counts. The sample is a gift."""
    from styles.models import Style

    return Style.objects.owned_by(user).filter(is_sample=False)


def read_only_ids(user: User) -> frozenset[int]:
    """The styles beyond those that the plan keeps in use. Those used last stay; as only these can be used, none moves
    by itself."""
    most = allowance.styles_in_use(user)
    if most is None:
        return frozenset()
    return frozenset(counted(user).order_by("-used_at", "-pk").values_list("pk", flat=True)[most:])


def resting(user: User) -> tuple[int, int]:
    """How many styles are read-only, of how many."""
    return len(read_only_ids(user)), counted(user).count()


def is_read_only(style: Style) -> bool:
    return style.pk in read_only_ids(style.owner)


def next_to_rest(user: User) -> Style | None:
    """The style that becomes read-only when another one is used in its place."""
    most = allowance.styles_in_use(user)
    if most is None:
        return None
    return counted(user).order_by("-used_at", "-pk")[most - 1 : most].first()


def cover(style: Style) -> list[Reference]:
    """The pictures that stand for a style."""
    ready = getattr(style, "first_references", None)
    references = style.references.all()[:COVER_PICTURES] if ready is None else ready[:COVER_PICTURES]
    return list(references)


def works_count(style: Style) -> int:
    ready: int | None = getattr(style, "works_count", None)
    return style.references.count() if ready is None else ready


def next_reference(reference: Reference) -> Reference | None:
    """The work in the next filled frame."""
    return reference.style.references.filter(position__gt=reference.position).order_by("position").first()


def restorable(user: User) -> list[Style]:
    """Deleted styles whose files are still there, latest first."""
    from styles.models import Style

    deleted = Style.objects.with_deleted().owned_by(user).filter(deleted_at__isnull=False, purged_at=None)
    return list(deleted.order_by("-deleted_at"))


def current_declaration(style: Style) -> Declaration | None:
    return style.declarations.first()


def valid_consent(style: Style, *, now: datetime | None = None) -> Consent | None:
    """The depicted adult's agreement, neither expired nor revoked."""
    return style.consents.filter(is_adult=True, revoked_at=None, expires_at__gt=now or timezone.now()).first()


def styles_since(user: User, since: datetime | None) -> int:
    """How many styles this person made since a moment, or in all."""
    from styles.models import Style

    made = Style.objects.owned_by(user)
    return (made.filter(created_at__gte=since) if since else made).count()
