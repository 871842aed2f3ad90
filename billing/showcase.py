"""What there is to buy, as the pages show it: a column for each plan, a line for each pack, a month as an example."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from billing import payments, plans
from billing.catalogue import Pack, Plan
from billing.models import Entitlement
from billing.payments.entitling import OVER


@dataclass(frozen=True)
class Button:
    """A link (`url`), or a form that begins a purchase (`offer`). The primary one is what the person came for."""

    label: str
    url: str = ""
    offer: str = ""
    primary: bool = False


@dataclass(frozen=True)
class Column:
    """A plan. `facts` are sentences, the first is what one gets; `until`: it is theirs, cancelled, and ends then."""

    key: str
    name: str
    say: str
    price: str
    facts: list[str]
    mine: bool
    wanted: bool
    button: Button | None
    until: datetime | None = None


@dataclass(frozen=True)
class Line:
    """A pack."""

    pack: Pack
    wanted: bool
    button: Button | None


def columns(user: User | None, *, wanted: str = "", back: str = "") -> list[Column]:
    """The plans, each with what this person can do about it. `wanted` is the lookup key they came for."""
    mine = plans.plan_of(user).slug if user else ""
    entitlement = Entitlement.objects.filter(user=user).first() if user else None
    return [
        Column(
            key=plan.slug,
            name=plan.name,
            say=plan.pitch,
            price=plan.price,
            facts=_facts(plan),
            mine=plan.slug == mine,
            wanted=bool(wanted) and plan.lookup_key == wanted,
            button=_button(plan, user, mine, entitlement, wanted, back),
            until=_until(plan, entitlement) if plan.slug == mine else None,
        )
        for plan in plans.PLANS.values()
    ]


def lines(user: User | None, *, wanted: str = "", back: str = "") -> list[Line]:
    """The packs, smallest first."""
    return [Line(pack, pack.lookup_key == wanted, _pack_button(pack, user, wanted, back)) for pack in plans.PACKS]


def month(plan: Plan) -> list[tuple[str, int]]:
    """What a month's credits make, in round figures that come to exactly as many."""
    fine, move, upscale = plans.CHECKPOINTS["fine"] * plans.PRICES["checkpoint"], plans.PRICES["camera_move"], 30
    spent = [(_("One Fine training"), fine), (_("Six camera moves"), 6 * move)]
    spent.append((_("%(n)d enlargements") % {"n": upscale}, upscale * plans.PRICES["upscale"]))
    left = plan.credits - sum(credits for _what, credits in spent)
    pictures = left // plans.PRICES["picture"]
    return [*spent, (_("%(n)d pictures") % {"n": pictures}, pictures * plans.PRICES["picture"])]


def _facts(plan: Plan) -> list[str]:
    """Only what is built is promised."""
    credits = {"n": f"{plan.credits:,}"}
    facts = [
        _("%(n)s credits to begin with") % credits if plan.is_free else _("%(n)s credits a month") % credits,
        ngettext("%(n)d style", "%(n)d styles", plan.max_styles) % {"n": plan.max_styles}
        if plan.max_styles
        else _("as many styles as you like"),
        _("pictures and films") if plan.video else _("pictures"),
        _("up to %(n)d steps") % {"n": plan.max_steps},
        _("a visible mark on pictures") if plan.visible_mark else _("no mark"),
    ]
    if plan.queue != "standard":
        facts.append(_("first in the queue") if plan.queue == "first" else _("priority in the queue"))
    return facts


def _until(plan: Plan, entitlement: Entitlement | None) -> datetime | None:
    """When the subscription ends by which they have this plan; what staff gave as well goes on."""
    if entitlement is None or entitlement.status not in plans.PAID_STATUSES:
        return None
    return entitlement.ends_at if plan.slug == entitlement.subscribed != entitlement.given else None


def _button(
    plan: Plan, user: User | None, mine: str, entitlement: Entitlement | None, wanted: str, back: str
) -> Button | None:
    primary = bool(wanted) and plan.lookup_key == wanted
    if user is None and plan.is_free:
        return Button(_("Start free"), url=_sign_up("", back))
    if not payments.is_on():
        return None
    if user is None:
        return Button(_("Choose %(plan)s") % {"plan": plan.name}, _sign_up(plan.lookup_key, back), primary=primary)
    subscribed = entitlement is not None and bool(entitlement.subscription) and entitlement.status not in OVER
    if entitlement is not None and subscribed and entitlement.status != "incomplete":
        bill = reverse("billing:billing")
        if plan.is_free or plan.slug == entitlement.subscribed:
            return Button(_("Plan and invoices") if not plan.is_free else _("Go back to Free"), url=bill)
        label = _("Change to %(plan)s") % {"plan": plan.name}
        return Button(label, url=f"{bill}?{urlencode({'plan': plan.slug})}", primary=primary)
    if plan.is_free or plans.better(plan.slug, mine) == mine:
        return None  # what staff gave holds as much already
    return Button(_("Choose %(plan)s") % {"plan": plan.name}, offer=plan.lookup_key, primary=primary)


def _pack_button(pack: Pack, user: User | None, wanted: str, back: str) -> Button | None:
    primary = pack.lookup_key == wanted
    if not payments.is_on():
        return None
    if user is None:
        return Button(_("Sign up"), url=_sign_up(pack.lookup_key, back), primary=primary)
    return Button(_("Buy"), offer=pack.lookup_key, primary=primary)


def _sign_up(offer: str, back: str) -> str:
    """Through signing up and back to what was chosen."""
    kept = {name: value for name, value in (("offer", offer), ("next", back)) if value}
    here = reverse("billing:pricing") + (f"?{urlencode(kept)}" if kept else "")
    to = here if offer else reverse("studio")
    return f"{reverse('account_signup')}?{urlencode({'next': to})}"
