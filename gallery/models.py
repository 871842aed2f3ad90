"""Everything made: pictures and films; objects later."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts.models import User
from config.kit.ids import PublicIdModel
from gallery.queries import ArtworkQuerySet
from styles.models import Adapter, Style

SUFFIXES = {"image": ".png", "video": ".mp4", "model": ".glb"}


class Artwork(PublicIdModel):
    class Kind(models.TextChoices):
        IMAGE = "image"
        VIDEO = "video"
        MODEL = "model"

    class Visibility(models.TextChoices):
        PRIVATE = "private"
        UNLISTED = "unlisted"
        PUBLIC = "public"

    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="artworks")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.IMAGE)
    key = models.CharField(max_length=200)  # the unmarked master
    # The visible mark is a derivative; made when it is first needed. Which one leaves: `gallery.addresses`.
    marked_key = models.CharField(max_length=200, blank=True)
    thumb_key = models.CharField(max_length=200)
    marked_thumb_key = models.CharField(max_length=200, blank=True)
    poster_key = models.CharField(max_length=200, blank=True)  # a film's first frame at full size
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    seconds = models.FloatField(null=True, blank=True)
    bytes = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    phash = models.BigIntegerField()
    tone = models.CharField(max_length=7)
    blur = models.TextField(blank=True)
    prompt = models.TextField(blank=True)
    alt_text = models.CharField(max_length=500, blank=True)
    seed = models.PositiveBigIntegerField()
    recipe = models.JSONField(default=dict)
    # The learned work it comes nearest to, where it was held against them: {style, work, similarity, hash_bits, near}
    likeness = models.JSONField(default=dict, blank=True)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children")
    visibility = models.CharField(max_length=10, choices=Visibility.choices, default=Visibility.PRIVATE)
    favourite = models.BooleanField(default=False)
    # One job publishes once: its second publishing finds this row.
    job = models.UUIDField(unique=True, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[ArtworkQuerySet] = ArtworkQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [
            models.Index(
                fields=["owner", "-created_at", "-public_id"],
                condition=Q(deleted_at__isnull=True),
                name="artwork_wall",
            ),
        ]

    def __str__(self) -> str:
        return self.prompt[:60] or str(self.public_id)

    @property
    def says(self) -> str:
        """What is to be seen: the owner's words, else the prompt. A film of an upload has neither."""
        return self.alt_text or self.prompt or (_("A film") if self.is_film else _("A picture"))

    @property
    def filename(self) -> str:
        """For downloads: the first words of the prompt and the seed."""
        words = "-".join(slugify(self.prompt).split("-")[:6])
        return f"{words or self.kind}-{self.seed}{SUFFIXES[self.kind]}"

    @property
    def keys(self) -> list[str]:
        """Every file it has, for those who erase or count them."""
        every = (self.key, self.marked_key, self.poster_key, self.thumb_key, self.marked_thumb_key)
        return [key for key in every if key]

    @property
    def is_film(self) -> bool:
        return self.kind == self.Kind.VIDEO


class ArtworkStyle(models.Model):
    """Which styles are in a picture, and how strongly."""

    artwork = models.ForeignKey(Artwork, on_delete=models.CASCADE, related_name="style_links")
    style = models.ForeignKey(Style, on_delete=models.CASCADE, related_name="artwork_links")
    adapter = models.ForeignKey(Adapter, null=True, on_delete=models.SET_NULL, related_name="+")
    weight = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["artwork", "style"], name="artwork_style_once")]

    def __str__(self) -> str:
        return f"{self.style} × {self.weight}"
