"""Plans, packs and prices, as the catalogue file has them, and which plan a person has."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from billing import catalogue
from billing.catalogue import Pack, Plan, Tool, dollars
from billing.models import Entitlement
from config.kit.errors import Refusal

__all__ = ["Pack", "Plan", "Tool", "dollars"]

# Stripe's words under which a subscription's plan counts: `past_due` is being tried again, with a notice each time.
PAID_STATUSES = frozenset({"active", "trialing", "past_due"})

_catalogue = catalogue.read()
PRICES: dict[str, int] = _catalogue.prices
CHECKPOINTS: dict[str, int] = _catalogue.checkpoints
PLANS: dict[str, Plan] = _catalogue.plans  # from the least to the most
HOME: Plan = _catalogue.home
FREE: Plan = PLANS["free"]
PACKS: list[Pack] = _catalogue.packs
TOOLS: list[Tool] = _catalogue.tools
FREE_CREDITS = FREE.credits
# what can be bought, by its name at Stripe
OFFERS: dict[str, Plan | Pack] = {plan.lookup_key: plan for plan in PLANS.values() if not plan.is_free}
OFFERS |= {pack.lookup_key: pack for pack in PACKS}


def billing_is_on() -> bool:
    """Whether plans and balances decide here; else this is a home."""
    return bool(settings.BILLING)


def plan_of(user: User) -> Plan:
    """The plan that decides today: *Home* where billing is off, else the entitlement's, else Free."""
    if not billing_is_on():
        return HOME
    entitlement = Entitlement.objects.filter(user=user).first()
    return PLANS.get(entitlement.plan, FREE) if entitlement else FREE


def offer(lookup_key: str) -> Plan | Pack:
    """What is sold under this name. Raises `Refusal`."""
    try:
        return OFFERS[lookup_key]
    except KeyError:
        say = _("This is not on offer (any more). What there is stands under Pricing.")
        raise Refusal(say, code="unknown_offer", field="offer") from None


def better(a: str, b: str) -> str:
    """The name of the larger of two plans. What the catalogue does not know (any more) counts as Free."""
    order = list(PLANS)
    return max((FREE.slug, a, b), key=lambda slug: order.index(slug) if slug in PLANS else -1)


def counted(entitlement: Entitlement) -> str:
    """The plan that counts: what staff gave or what is subscribed and paid, whichever is more."""
    paid = entitlement.subscribed if entitlement.status in PAID_STATUSES else ""
    return better(entitlement.given, paid)


@transaction.atomic
def give_plan(*, user: User, plan: str, actor: User | None, reason: str) -> Entitlement:
    """Staff give a plan, which lasts until they take it back with `plan=""`. A subscription goes on beside it."""
    from billing import notices  # whose sentences know our prices

    if plan and (plan not in PLANS or PLANS[plan].is_free):
        names = ", ".join(slug for slug, one in PLANS.items() if not one.is_free)
        raise Refusal(_("These plans can be given: %(names)s.") % {"names": names}, code="unknown_plan", field="plan")
    if not reason.strip():
        raise Refusal(_("Say why: the reason is kept with the deed."), code="reason_missing", field="reason")
    Entitlement.objects.get_or_create(user=user)
    entitlement = Entitlement.objects.select_for_update().get(user=user)
    before, entitlement.given = entitlement.plan, plan
    entitlement.plan = counted(entitlement)
    entitlement.save(update_fields=["given", "plan", "updated_at"])
    entry = audit.record(
        actor=actor,
        verb="plan.give" if plan else "plan.take_back",
        target_kind="user",
        target=user.public_id,
        detail={"given": plan, "before": before, "now": entitlement.plan, "reason": reason.strip()},
    )
    if entitlement.plan != before:
        now = PLANS[entitlement.plan]
        notices.plan_changed(user=user, key=f"given:{entry.pk}", plan=now.name)
    return entitlement
