"""Reading the gallery."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet

from accounts.models import User

if TYPE_CHECKING:
    from gallery.models import Artwork

NEIGHBOURS = 4  # on each side, in the strip below a picture
CHILDREN = 12  # shown on the page of what they were made from


class ArtworkQuerySet(QuerySet["Artwork"]):
    def owned_by(self, user: User) -> ArtworkQuerySet:
        """This person's pictures that hang in the gallery, with the plan that says in which form they leave."""
        return self.filter(owner=user, deleted_at__isnull=True).select_related("owner__entitlement")

    def deleted_by(self, user: User) -> ArtworkQuerySet:
        """What this person took down and may still hang up again."""
        return self.filter(owner=user, deleted_at__isnull=False)

    def with_styles(self) -> ArtworkQuerySet:
        return self.prefetch_related("style_links__style", "style_links__adapter")

    def matching(
        self, *, kind: str = "", style: uuid.UUID | None = None, favourite: bool = False, q: str = ""
    ) -> ArtworkQuerySet:
        """Filtered by kind, by one style, by the heart, and by words of the prompt or the alt text (all of them)."""
        found = self
        if kind:
            found = found.filter(kind=kind)
        if style:
            found = found.filter(style_links__style__public_id=style)
        if favourite:
            found = found.filter(favourite=True)
        for word in q.split():
            found = found.filter(Q(prompt__icontains=word) | Q(alt_text__icontains=word))
        return found


def neighbours(artwork: Artwork) -> tuple[list[Artwork], list[Artwork]]:
    """The pictures just newer and just older than this one in its owner's gallery, each nearest first."""
    wall = type(artwork).objects.owned_by(artwork.owner)
    at, key = artwork.created_at, artwork.public_id
    newer = wall.filter(Q(created_at__gt=at) | Q(created_at=at, public_id__gt=key))
    older = wall.filter(Q(created_at__lt=at) | Q(created_at=at, public_id__lt=key))
    return (
        list(newer.order_by("created_at", "public_id")[:NEIGHBOURS]),
        list(older.order_by("-created_at", "-public_id")[:NEIGHBOURS]),
    )


def parent_of(artwork: Artwork) -> Artwork | None:
    """What it was made from, as long as that hangs in the same gallery."""
    if artwork.parent_id is None:
        return None
    return type(artwork).objects.owned_by(artwork.owner).filter(pk=artwork.parent_id).first()


def children_of(artwork: Artwork) -> list[Artwork]:
    """What was made from it, newest first."""
    made = type(artwork).objects.owned_by(artwork.owner).filter(parent=artwork)
    return list(made.order_by("-created_at", "-public_id")[:CHILDREN])


def pictures_since(user: User, since: datetime | None) -> int:
    """How many pictures this person made since a moment, or in all."""
    from gallery.models import Artwork

    made = Artwork.objects.owned_by(user)
    return (made.filter(created_at__gte=since) if since else made).count()
