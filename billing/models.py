"""Credits: integers, double entry, append-only. `billing.ledger` is the only writer of every row here."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import User
from config.kit.ids import PublicIdModel


class CreditAccount(models.Model):
    """One purse a person. The cached balance is checked by the database and rebuilt by `credits audit`."""

    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="credit_account")
    available = models.IntegerField(default=0)
    held = models.IntegerField(default=0)
    # Taken back when nothing was left to take (a refunded purchase): paid by the next credits that come in.
    debt = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(available__gte=0), name="credit_available_not_negative"),
            models.CheckConstraint(condition=Q(held__gte=0), name="credit_held_not_negative"),
            models.CheckConstraint(condition=Q(debt__gte=0), name="credit_debt_not_negative"),
            # what is owed is paid before anything can be spent
            models.CheckConstraint(condition=Q(debt=0) | Q(available=0), name="credit_debt_comes_first"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.available} available, {self.held} held"

    @property
    def unlimited(self) -> bool:
        """At home credits are counted but never block: what is missing for a hold is lent by the house."""
        return not settings.BILLING

    @property
    def balance(self) -> int:
        """Everything not yet spent; what runs now holds a part of it."""
        return self.available + self.held


class CreditGrant(models.Model):
    """Credits that came in together and expire together. The grant that expires first is spent first."""

    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="grants")
    source_ref = models.CharField(max_length=200, unique=True)
    amount = models.PositiveIntegerField()
    remaining = models.PositiveIntegerField()
    expires_at = models.DateTimeField(null=True, blank=True)
    monthly = models.BooleanField(default=False)  # a plan's credits: of these only so many are carried over
    revoked = models.PositiveIntegerField(default=0)  # its money went back, and these credits with it
    say = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(remaining__lte=F("amount")), name="grant_remaining_within_amount"),
            models.CheckConstraint(condition=Q(revoked__lte=F("amount")), name="grant_revoked_within_amount"),
        ]
        indexes = [
            models.Index(fields=["account", "expires_at", "id"], condition=Q(remaining__gt=0), name="grant_spendable")
        ]

    def __str__(self) -> str:
        return f"{self.remaining} of {self.amount} ({self.source_ref})"


class Welcomed(models.Model):
    """A mailbox that had its free credits. Only a keyed hash of it is kept, so that it may outlive a closed account."""

    mailbox = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "welcomed"

    def __str__(self) -> str:
        return self.mailbox[:12]


class CreditHold(models.Model):
    """Credits set aside for one job, resolved exactly once: captured + released = amount."""

    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="holds")
    key = models.CharField(max_length=200, unique=True)
    amount = models.PositiveIntegerField()
    captured = models.PositiveIntegerField(default=0)
    released = models.PositiveIntegerField(default=0)
    job = models.UUIDField(null=True, blank=True)
    tool = models.CharField(max_length=40, blank=True)  # the kind of its job, for the usage by tool
    say = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(resolved_at__isnull=True, captured=0, released=0)
                | Q(resolved_at__isnull=False, amount=F("captured") + F("released")),
                name="hold_resolved_once_and_whole",
            )
        ]

    def __str__(self) -> str:
        return f"{self.amount} for {self.key}"


class HoldSlice(models.Model):
    """How much of a hold came from which grant (none: what the house lends at home)."""

    hold = models.ForeignKey(CreditHold, on_delete=models.PROTECT, related_name="slices")
    grant = models.ForeignKey(CreditGrant, null=True, on_delete=models.PROTECT, related_name="+")
    amount = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.amount} of {self.grant_id or 'home'}"


class CreditTransaction(PublicIdModel):
    """One effect, one key. The same key with another body is an error; its entries sum to zero."""

    class Kind(models.TextChoices):
        GRANT = "grant"
        HOLD = "hold"
        CAPTURE = "capture"
        RELEASE = "release"
        REFUND = "refund"
        EXPIRE = "expire"
        ADJUST = "adjust"
        REVOKE = "revoke"
        REINSTATE = "reinstate"

    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="transactions")
    key = models.CharField(max_length=200, unique=True)
    body_hash = models.CharField(max_length=64)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    job = models.UUIDField(null=True, blank=True, db_index=True)
    hold = models.ForeignKey(CreditHold, null=True, blank=True, on_delete=models.PROTECT, related_name="transactions")
    # whose credits were revoked or reinstated; which grants they went through is told by the entries
    grant = models.ForeignKey(CreditGrant, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    say = models.CharField(max_length=200)
    # [[label, credits]]: what was delivered, piece by piece. It holds no words of a person: it outlives their account
    parts = models.JSONField(default=list, blank=True)
    # What it did to everything not yet spent, and how much that was afterwards: the two figures of its line.
    amount = models.IntegerField()
    balance = models.IntegerField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["account", "-id"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class CreditEntry(models.Model):
    """One leg of a transaction. `house` is the counterpart outside the person's purse."""

    class Bucket(models.TextChoices):
        AVAILABLE = "available"
        HELD = "held"
        SPENT = "spent"
        DEBT = "debt"
        HOUSE = "house"

    transaction = models.ForeignKey(CreditTransaction, on_delete=models.PROTECT, related_name="entries")
    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="entries")
    bucket = models.CharField(max_length=10, choices=Bucket.choices)
    grant = models.ForeignKey(CreditGrant, null=True, on_delete=models.PROTECT, related_name="+")
    amount = models.IntegerField()

    class Meta:
        verbose_name_plural = "credit entries"

    def __str__(self) -> str:
        return f"{self.bucket} {self.amount:+d}"


class Entitlement(models.Model):
    """What plan a person has. Without BILLING everyone is at home.

    `plan` is the one that counts: what staff gave or what is subscribed, whichever is more. The fields of the
    subscription follow from what Stripe says now (`billing.payments.entitling`), never from the order of its news.
    """

    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="entitlement")
    plan = models.CharField(max_length=20, default="free")
    given = models.CharField(max_length=20, blank=True)  # by staff, until they take it back
    subscription = models.CharField(max_length=255, blank=True)  # sub_…
    status = models.CharField(max_length=30, blank=True)  # Stripe's word for it
    subscribed = models.CharField(max_length=20, blank=True)  # the plan that is subscribed, whatever its status
    renews_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)  # cancelled: until then it is paid
    overdue_since = models.DateTimeField(null=True, blank=True)  # a payment failed, and is tried again
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.user}: {self.plan}"


class StripeCustomer(models.Model):
    """Who a person is at Stripe. Its row is the lock under which their affairs are settled, one after another."""

    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="stripe_customer")
    customer = models.CharField(max_length=255, unique=True)  # cus_…
    livemode = models.BooleanField()
    asked_at = models.DateTimeField(null=True, blank=True)  # settle again, not before then
    settled_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return self.customer


class StripeEvent(models.Model):
    """A signed message of Stripe's, as it came. It rings; what it says is asked for again before anything is done."""

    event = models.CharField(max_length=255, unique=True)  # evt_…
    kind = models.CharField(max_length=80)
    customer = models.CharField(max_length=255, blank=True, db_index=True)
    livemode = models.BooleanField()
    body = models.TextField()  # the raw payload that was signed
    created_at = models.DateTimeField()  # at Stripe
    received_at = models.DateTimeField(auto_now_add=True)
    times = models.PositiveIntegerField(default=1)  # how often it was delivered
    settled_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [models.Index(fields=["received_at"], condition=Q(settled_at__isnull=True), name="stripe_event_open")]

    def __str__(self) -> str:
        return f"{self.kind} {self.event}"


class Purchase(PublicIdModel):
    """A visit to Checkout, from the button to the money. The page that waits for the money shows this row."""

    class Kind(models.TextChoices):
        PLAN = "plan"
        PACK = "pack"

    class State(models.TextChoices):
        OPEN = "open"
        PAID = "paid"
        EXPIRED = "expired"

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="purchases")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    lookup_key = models.CharField(max_length=60)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    session = models.CharField(max_length=255, unique=True, null=True, blank=True)  # cs_…
    session_url = models.TextField(blank=True)
    came_from = models.CharField(max_length=300, blank=True)  # the path to go on to when it is paid
    created_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.lookup_key} for {self.user}"
