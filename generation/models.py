"""What was asked for, and what came of it: one request, one job per picture."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from accounts.models import User
from config.kit.ids import PublicIdModel
from gallery.models import Artwork
from generation.queries import OutputQuerySet, RequestQuerySet
from gpu.models import Job
from styles.models import Adapter, Style


class Request(PublicIdModel):
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="requests")
    tool = models.CharField(max_length=40)
    prompt = models.TextField()
    enhanced_prompt = models.TextField(blank=True)
    full_prompt = models.TextField()  # what the engine is told: with the styles' trigger words
    negative_prompt = models.TextField(blank=True)
    params = models.JSONField()  # base, width, height, steps, guidance, count and the tool's own options
    seed = models.PositiveBigIntegerField()
    source = models.ForeignKey(Artwork, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    source_key = models.CharField(max_length=200, blank=True)  # the picture it starts from, as the engine gets it
    mask_key = models.CharField(max_length=200, blank=True)  # of the same size; white is made anew
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[RequestQuerySet] = RequestQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [models.Index(fields=["owner", "-created_at", "-public_id"])]

    def __str__(self) -> str:
        return self.prompt[:60]


class RequestStyle(models.Model):
    """The versions chosen, fixed when asked: activating another version later changes nothing here."""

    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="styles")
    style = models.ForeignKey(Style, on_delete=models.CASCADE, related_name="+")
    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="+")
    weight = models.FloatField()
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.style} × {self.weight}"


class Output(PublicIdModel):
    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="outputs")
    ordinal = models.PositiveSmallIntegerField()
    seed = models.PositiveBigIntegerField()
    # The latest try; a retry is a new job with a new hold.
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="output")
    artwork = models.OneToOneField(Artwork, null=True, blank=True, on_delete=models.SET_NULL, related_name="output")
    # Where the current attempt laid its file, on a disk of the worker's; read once, when the job succeeds.
    file = models.CharField(max_length=500, blank=True)
    made = models.JSONField(default=dict, blank=True)  # what the engine said of that file: poster, seconds, likeness

    objects: ClassVar[OutputQuerySet] = OutputQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["ordinal"]
        constraints = [models.UniqueConstraint(fields=["request", "ordinal"], name="output_once")]

    def __str__(self) -> str:
        return f"picture {self.ordinal} of {self.request}"
