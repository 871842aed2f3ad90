"""A run teaches one adapter; its checkpoints, samples and figures are kept."""

from __future__ import annotations

from django.db import models

from config.kit.ids import PublicIdModel
from gpu.models import Job
from styles.models import Adapter, Reference, Style


class Run(PublicIdModel):
    class Purpose(models.TextChoices):
        STYLE = "style"
        PERSON = "person"
        CHARACTER = "character"

    class Quality(models.TextChoices):
        QUICK = "quick"
        STANDARD = "standard"
        FINE = "fine"

    style = models.ForeignKey(Style, on_delete=models.CASCADE, related_name="runs")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="run")
    adapter = models.OneToOneField(Adapter, on_delete=models.PROTECT, related_name="run")
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    quality = models.CharField(max_length=10, choices=Quality.choices)
    settings = models.JSONField()  # everything the spec needs, fixed at the start
    verdict = models.TextField(blank=True)  # why the engine picked what it picked, in plain words
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.quality} run of {self.style}"

    @property
    def checkpoint_price(self) -> int:
        """As it was when the run was asked for: so much is held, whatever the catalogue says by now."""
        return self.job.price // len(self.settings["checkpoint_steps"])


class RunReference(models.Model):
    """The references as they were at the start; a later edit does not change a run."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="run_references")
    reference = models.ForeignKey(Reference, null=True, on_delete=models.SET_NULL, related_name="+")
    ordinal = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    key = models.CharField(max_length=200)
    caption = models.CharField(max_length=300)

    class Meta:
        ordering = ["ordinal"]

    def __str__(self) -> str:
        return f"#{self.ordinal} of {self.run}"


class Checkpoint(PublicIdModel):
    """A version the artist can look at and pay for."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="checkpoints")
    ordinal = models.PositiveIntegerField()
    step = models.PositiveIntegerField()
    loss = models.FloatField()
    # What the engine judged it by, each 0..1; None: not judged. `score` is what the ranking goes by.
    score = models.FloatField(null=True, blank=True)
    likeness = models.FloatField(null=True, blank=True)
    following = models.FloatField(null=True, blank=True)
    leak = models.FloatField(null=True, blank=True)
    say = models.TextField(blank=True)
    weight_norm = models.FloatField()
    key = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    bytes = models.PositiveIntegerField()
    finalist = models.PositiveSmallIntegerField(null=True, blank=True)  # its place among the three, from 1
    picked = models.BooleanField(default=False)  # the one in the version; the artist has the last word
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["ordinal"]
        constraints = [models.UniqueConstraint(fields=["run", "ordinal"], name="checkpoint_once_a_run")]

    def __str__(self) -> str:
        return f"checkpoint {self.ordinal} (step {self.step}) of {self.run}"


class Snapshot(models.Model):
    """Full state to resume from; only the latest is kept."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="snapshot")
    step = models.PositiveIntegerField()
    key = models.CharField(max_length=200)
    fence = models.PositiveIntegerField()
    at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"step {self.step} of {self.run}"


class Sample(models.Model):
    """What the adapter drew at a step, at a fixed prompt and seed. Step 0 is the base alone."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="samples")
    checkpoint = models.ForeignKey(Checkpoint, null=True, on_delete=models.CASCADE, related_name="samples")
    step = models.PositiveIntegerField()
    prompt_no = models.PositiveSmallIntegerField()
    prompt = models.CharField(max_length=300)
    seed = models.PositiveBigIntegerField()
    key = models.CharField(max_length=200)

    class Meta:
        ordering = ["step", "prompt_no"]
        constraints = [models.UniqueConstraint(fields=["run", "step", "prompt_no"], name="sample_once")]

    def __str__(self) -> str:
        return f"sample {self.prompt_no} at step {self.step} of {self.run}"


class Metric(models.Model):
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="metrics")
    step = models.PositiveIntegerField()
    loss = models.FloatField()
    held_out = models.FloatField(null=True, blank=True)  # on references that are not learned

    class Meta:
        ordering = ["step"]
        constraints = [models.UniqueConstraint(fields=["run", "step"], name="metric_once_a_step")]

    def __str__(self) -> str:
        return f"{self.loss:.4f} at {self.step}"
