"""People, their tokens, and what the house remembers about them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from config.kit.ids import PublicIdModel


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(PublicIdModel, AbstractBaseUser, PermissionsMixin):
    """A person. Never deleted, only anonymised: their ledger lines must keep an owner."""

    class State(models.TextChoices):
        ACTIVE = "active"
        BANNED = "banned"
        CLOSED = "closed"

    email = models.EmailField(unique=True)
    handle = models.SlugField(max_length=30, unique=True, null=True, blank=True)
    name = models.CharField(max_length=80, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_ci_unique"),
            # Django and allauth look at `is_active` alone: a banned or closed account must never pass there
            models.CheckConstraint(
                condition=Q(state="active") | Q(is_active=False), name="user_only_active_may_sign_in"
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def display_name(self) -> str:
        return self.name or self.email.partition("@")[0]


class Profile(models.Model):
    """How a person wants the house to look and speak."""

    class Theme(models.TextChoices):
        SYSTEM = "system"
        DARK = "dark"
        LIGHT = "light"

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="profile")
    about = models.CharField(max_length=300, blank=True)
    theme = models.CharField(max_length=6, choices=Theme.choices, default=Theme.DARK)
    language = models.CharField(max_length=10, default="en")
    avatar_key = models.CharField(max_length=200, blank=True)
    links = models.JSONField(default=list, blank=True)  # [{"label", "url"}], in the order in which they are shown
    # What the person decided themselves, {kind of notification: wanted by mail}; the rest follows the kind's default
    mails = models.JSONField(default=dict, blank=True)
    # {kind of notification: whether it rings}; one that does not is filed as read
    bells = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return f"profile of {self.user}"


class Scope(models.TextChoices):
    """What a token may do. Reading is asked for by every GET, the others by what changes something."""

    READ = "read"
    WRITE = "write"  # styles, pictures and the gallery; spends credits
    BILLING = "billing"  # checkout and portal
    ACCOUNT = "account"  # the profile


def every_scope() -> list[str]:
    return list(Scope.values)


class ApiToken(PublicIdModel):
    """A key for programs. Only its hash is kept; the text is shown once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=60)
    prefix = models.CharField(max_length=12)
    hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=every_scope)  # of Scope, a list; those made before there were scopes have all
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class SignInLink(models.Model):
    """A link that signs its person in once. Only its hash is kept; it works on the machine of the server alone."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"for {self.user}, until {self.expires_at:%H:%M}"


class AuditEntry(models.Model):
    """Who did what to what. Written in the same transaction as the deed."""

    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    verb = models.CharField(max_length=60)
    target_kind = models.CharField(max_length=40, blank=True)
    target = models.UUIDField(null=True, blank=True)
    detail = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["target_kind", "target"])]

    def __str__(self) -> str:
        return f"{self.verb} {self.target_kind} {self.target or ''}"


class IdempotencyKey(models.Model):
    """The answer to a write that carried `Idempotency-Key`: the same call again gets the same answer."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    body_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    response = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return self.key


class Notification(PublicIdModel):
    """One line under the bell. Its kinds are registered by the rooms that send them (`accounts.notifications`)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=200)  # of the effect it tells of: the same effect again tells nothing new
    title = models.CharField(max_length=200)
    body = models.CharField(max_length=500, blank=True)
    url = models.CharField(max_length=300, blank=True)  # a path of ours, to where it is about
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="notification_once")]
        indexes = [models.Index(fields=["user", "-created_at"])]

    def __str__(self) -> str:
        return self.title


class Outbox(models.Model):
    """An effect outside the house that follows a commit: written with the deed, done afterwards, tried until it is."""

    class Kind(models.TextChoices):
        MAIL = "mail"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    key = models.CharField(max_length=200, unique=True)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(default=timezone.now)  # of the next attempt
    attempts = models.PositiveSmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "outbox"
        indexes = [models.Index(fields=["due_at"], condition=Q(done_at__isnull=True), name="outbox_open")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class DataExport(PublicIdModel):
    """Everything of a person in one archive, made on request and kept for some days."""

    class State(models.TextChoices):
        QUEUED = "queued"
        MAKING = "making"
        READY = "ready"
        FAILED = "failed"
        GONE = "gone"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="exports")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    key = models.CharField(max_length=200, blank=True)
    bytes = models.BigIntegerField(default=0)
    progress = models.FloatField(default=0.0)  # 0..1
    error = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # also the fence of whoever makes it
    seen_at = models.DateTimeField(null=True, blank=True)  # when its maker was last heard of
    asked_at = models.DateTimeField(auto_now_add=True)
    begun_at = models.DateTimeField(null=True, blank=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(state__in=["queued", "making"]), name="data_export_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"of {self.user}, {self.state}"

    @property
    def is_running(self) -> bool:
        return self.state in (self.State.QUEUED, self.State.MAKING)


class Closing(PublicIdModel):
    """The end of an account: asked for, due after a grace period in which it can be taken back, then done."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="closings")
    asked_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)  # when all that must not go on was ended
    taken_back_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    receipt = models.JSONField(default=dict, blank=True)  # what was erased, by room; names nobody
    error = models.CharField(max_length=300, blank=True)  # why it could not be finished yet

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(taken_back_at__isnull=True), name="closing_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"of {self.user_id}, due {self.due_at:%d %B %Y}"
