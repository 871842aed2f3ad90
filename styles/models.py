"""A style is what an artist teaches: its references, its declarations, and the adapters learned from it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from config.kit.ids import PublicIdModel
from styles.queries import ReferenceManager, StyleManager


class Style(PublicIdModel):
    class Kind(models.TextChoices):
        ART = "art"
        PERSON = "person"
        CHARACTER = "character"
        IMPORTED = "imported"

    class Status(models.TextChoices):
        DRAFT = "draft"
        READY = "ready"
        TRAINING = "training"
        TRAINED = "trained"
        FAILED = "failed"

    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="styles")
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=500, blank=True)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.ART)
    # `trained` while an adapter is active, whatever later runs do.
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    # An imported LoRA keeps the word that it was learned with: others may have the same, or none.
    trigger_word = models.CharField(max_length=60, blank=True)
    next_version = models.PositiveIntegerField(default=1)
    active_adapter = models.ForeignKey("Adapter", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    is_sample = models.BooleanField(default=False)
    allow_flip = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    # Trained, drawn in or chosen last: where a plan holds fewer styles than there are, the latest stay in use.
    used_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)  # hidden from here on, restorable until it is purged
    purged_at = models.DateTimeField(null=True, blank=True)  # its files are gone; the row stays for what refers to it

    objects: ClassVar[StyleManager] = StyleManager()

    class Meta:
        indexes = [models.Index(fields=["owner", "-created_at"])]
        constraints = [
            models.UniqueConstraint(
                fields=["trigger_word"], condition=~Q(kind="imported"), name="style_trigger_word_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Reference(PublicIdModel):
    """One accepted work: a normalised copy (upright, sRGB, no metadata) under a key the browser cannot write."""

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted"
        REMARKED = "remarked"

    class CaptionSource(models.TextChoices):
        FILENAME = "filename"  # our suggestion
        PERSON = "person"
        SIDECAR = "sidecar"  # came with the picture
        MODEL = "model"

    style = models.ForeignKey(Style, on_delete=models.CASCADE, related_name="references")
    position = models.PositiveIntegerField()  # the number of its frame, from 1
    filename = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)  # of the file as uploaded: exact duplicates
    phash = models.BigIntegerField()  # 64-bit perceptual hash, signed
    width = models.PositiveIntegerField()  # as uploaded, upright; the copy may be smaller, its shape is the same
    height = models.PositiveIntegerField()
    bytes = models.PositiveIntegerField()  # as uploaded
    sharpness = models.FloatField()
    tone = models.CharField(max_length=7)  # mean colour, darkened, "#rrggbb": shown before the file comes
    blur = models.TextField(blank=True)  # tiny WebP data URI
    features = models.JSONField(default=dict, blank=True)  # colour and texture figures for the dataset report
    key = models.CharField(max_length=200)
    thumb_key = models.CharField(max_length=200)
    caption = models.CharField(max_length=300, blank=True)
    caption_source = models.CharField(max_length=10, choices=CaptionSource.choices, default=CaptionSource.FILENAME)
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    oddness = models.FloatField(null=True, blank=True)  # 0..1, how far it stands from the rest; None: not looked at
    remarks = models.JSONField(default=list, blank=True)  # [{code, say, of?}]; `of` is another frame's number
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[ReferenceManager] = ReferenceManager()

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["style", "sha256"], condition=Q(deleted_at=None), name="reference_once_a_style"
            ),
            # the number of its frame: it stays while others come and go
            models.UniqueConstraint(
                fields=["style", "position"], condition=Q(deleted_at=None), name="reference_position_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.filename} of {self.style}"


class Adapter(PublicIdModel):
    """One version of a style: a LoRA, trained here or imported."""

    class Origin(models.TextChoices):
        TRAINED = "trained"
        IMPORTED = "imported"

    class State(models.TextChoices):
        FORMING = "forming"
        READY = "ready"
        FAILED = "failed"
        DELETED = "deleted"

    style = models.ForeignKey(Style, on_delete=models.CASCADE, related_name="adapters")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=80, blank=True)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.TRAINED)
    state = models.CharField(max_length=10, choices=State.choices, default=State.FORMING)
    base = models.CharField(max_length=200)
    method = models.CharField(max_length=20, default="lora")
    rank = models.PositiveIntegerField(default=16)
    steps = models.PositiveIntegerField(default=0)
    loss = models.FloatField(null=True, blank=True)
    key = models.CharField(max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    bytes = models.PositiveIntegerField(default=0)
    reference_hashes = models.JSONField(default=list, blank=True)
    works_key = models.CharField(max_length=200, blank=True)  # features of the works it learned (memorisation guard)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["style", "number"], name="adapter_number_once"),
            models.CheckConstraint(condition=~Q(state="ready") | ~Q(sha256=""), name="adapter_ready_has_weights"),
        ]

    def __str__(self) -> str:
        return f"{self.style} version {self.number}"


class Declaration(models.Model):
    """*I made this / I may use this*: what was declared, with its wording, when, and for which files.

    The wording covers works that are added later; their hashes are added as they come. The latest one counts.
    """

    class Choice(models.TextChoices):
        MADE = "made"
        MAY_USE = "may_use"

    style = models.ForeignKey(Style, on_delete=models.CASCADE, related_name="declarations")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    choice = models.CharField(max_length=20, choices=Choice.choices)
    text_version = models.CharField(max_length=20)
    file_hashes = models.JSONField(default=list)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.choice} for {self.style}"


class Consent(PublicIdModel):
    """A depicted adult's agreement to a likeness model. Without a valid one a person is never trained."""

    style = models.ForeignKey(Style, on_delete=models.CASCADE, related_name="consents")
    recorded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    subject_name = models.CharField(max_length=120)
    is_adult = models.BooleanField()
    statement = models.TextField()
    text_version = models.CharField(max_length=20)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"consent of {self.subject_name} for {self.style}"
