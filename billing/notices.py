"""What this room tells people, each thing once."""

from __future__ import annotations

from datetime import datetime

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.language import speaking_to
from accounts.models import User
from accounts.notifications import Example, Facts, Kind, notify
from billing.plans import FREE, PRICES

LOW = 10  # credits: about one more training checkpoint, or ten pictures

KINDS = (
    Kind(
        "billing.low",
        gettext_lazy("Credits are running low"),
        mail=True,
        action=gettext_lazy("See plans and packs"),
        example=Example(
            title=gettext_lazy("7 credits are left."),
            body=gettext_lazy("A picture costs 1, a training 10 for each checkpoint that you keep."),
            url="/credits/pricing/",
        ),
    ),
    Kind(
        "billing.receipt",
        gettext_lazy("Receipts"),
        mail=True,
        binding=True,
        action=gettext_lazy("See your billing"),
        example=Example(
            title=gettext_lazy("Your receipt: Starter, $9.99"),
            body=gettext_lazy("300 credits are in your account."),
            url="/credits/billing/",
            facts=(
                (gettext_lazy("Plan"), "Starter"),
                (gettext_lazy("Paid"), "$9.99"),
                (gettext_lazy("Credits"), "300"),
            ),
        ),
    ),
    Kind(
        "billing.failed",
        gettext_lazy("A payment failed"),
        mail=True,
        binding=True,
        action=gettext_lazy("Set it right"),
        example=Example(
            title=gettext_lazy("Your last payment did not go through."),
            body=gettext_lazy("$9.99. It is tried again in the next days; until then your plan goes on."),
            url="/credits/billing/",
        ),
    ),
    Kind(
        "billing.plan",
        gettext_lazy("Your plan changed"),
        mail=True,
        binding=True,
        action=gettext_lazy("See your plan"),
        example=Example(title=gettext_lazy("Starter ends on 3 December 2026."), url="/credits/billing/"),
    ),
    Kind(
        "billing.dispute",
        gettext_lazy("Disputed payments"),
        mail=True,
        binding=True,
        staff=True,
        action=gettext_lazy("See the disputes"),
        example=Example(
            title=gettext_lazy("A payment of $8.99 is disputed."),
            body=gettext_lazy("Its credits are withheld. Answer the bank at Stripe before its deadline."),
            url="/admin/djstripe/dispute/",
        ),
    ),
)


def credits_low(*, user: User, available: int, last_grant: int) -> None:
    """Once for each time that credits came in: `last_grant` is the newest grant's key."""
    with speaking_to(user):
        say = ngettext("%(n)d credit is left.", "%(n)d credits are left.", available) % {"n": available}
        body = _("A picture costs %(picture)d, a training %(checkpoint)d for each checkpoint that you keep.") % PRICES
    url = reverse("billing:pricing")
    notify(user=user, kind="billing.low", key=f"low:{last_grant}", title=say, body=body, url=url)


def receipt(*, user: User, key: str, title: str, body: str, facts: Facts = ()) -> None:
    """Money came in. `facts` are the lines of the receipt: label and figure."""
    url = reverse("billing:billing")
    notify(user=user, kind="billing.receipt", key=f"receipt:{key}", title=title, body=body, url=url, facts=facts)


def money_back(*, user: User, key: str, title: str, credits: int) -> None:
    """Money went back, or is disputed, and its credits with it."""
    with speaking_to(user):
        say = ngettext("%(n)s credit is taken back with it.", "%(n)s credits are taken back with it.", credits)
    url = reverse("billing:credits")
    notify(user=user, kind="billing.receipt", key=f"back:{key}", title=title, body=say % {"n": f"{credits:,}"}, url=url)


def payment_failed(*, user: User, key: str, body: str) -> None:
    """Once for each attempt that failed; `body` says how much it was about and how it goes on."""
    with speaking_to(user):
        title = _("Your last payment did not go through.")
    url = reverse("billing:billing")
    notify(user=user, kind="billing.failed", key=f"failed:{key}", title=title, body=body, url=url)


def plan_changed(*, user: User, key: str, plan: str, until: datetime | None = None) -> None:
    """`until`: the plan is cancelled and ends then."""
    with speaking_to(user):
        title, body = _("You are on the plan %(plan)s.") % {"plan": plan}, ""
        if plan == FREE.name:
            title, body = _("Your plan has ended: you are on Free."), _("Your styles and pictures are all still here.")
        if until is not None:
            title = _("%(plan)s ends on %(day)s.") % {"plan": plan, "day": date_format(until, "j F Y")}
            body = _("Until then nothing changes. Your styles and pictures stay; you can take it back at any time.")
    notify(user=user, kind="billing.plan", key=f"plan:{key}", title=title, body=body, url=reverse("billing:billing"))


def plan_goes_on(*, user: User, key: str, plan: str) -> None:
    """The end that was set, or a smaller plan that was to come, is taken back."""
    with speaking_to(user):
        title = _("%(plan)s goes on.") % {"plan": plan}
    notify(user=user, kind="billing.plan", key=f"plan:{key}", title=title, url=reverse("billing:billing"))


def plan_comes(*, user: User, key: str, plan: str, day: datetime) -> None:
    """A smaller plan was chosen, which begins with the next period."""
    with speaking_to(user):
        title = _("%(plan)s comes next, on %(day)s.") % {"plan": plan, "day": date_format(day, "j F Y")}
        body = _("Until then nothing changes, and you can take it back.")
    notify(user=user, kind="billing.plan", key=f"plan:{key}", title=title, body=body, url=reverse("billing:billing"))


def disputed(*, key: str, amount: str) -> None:
    """To everybody on the staff, once for each dispute: the bank wants an answer within days."""
    for person in User.objects.filter(is_staff=True, is_active=True):
        with speaking_to(person):
            title = _("A payment of %(amount)s is disputed.") % {"amount": amount}
            body = _("Its credits are withheld. Answer the bank at Stripe before its deadline.")
        url = reverse("admin:djstripe_dispute_changelist")
        notify(user=person, kind="billing.dispute", key=key, title=title, body=body, url=url)
