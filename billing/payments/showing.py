"""A person's plan, card and invoices in words, read from the mirror: no page waits for Stripe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from billing import plans
from billing.catalogue import Plan
from billing.models import Entitlement, StripeCustomer
from billing.payments.client import Found, id_of
from billing.payments.entitling import OFFER, OVER, plan_of_price, when
from billing.payments.granting import money
from billing.payments.settling import unpaid_invoice

INVOICES = 36  # on the page: three years of months; older ones are in the portal


@dataclass(frozen=True)
class Card:
    brand: str
    last4: str
    expires: str


@dataclass(frozen=True)
class Paper:
    """An invoice or a receipt. `page` and `pdf` are Stripe's addresses, empty where there is none."""

    number: str
    what: str
    at: datetime
    amount: str
    state: str
    is_good: bool
    page: str
    pdf: str


@dataclass(frozen=True)
class Bill:
    """Everything that the page of plan and invoices says."""

    plan: Plan
    entitlement: Entitlement
    say: str
    is_living: bool  # there is a subscription that can be changed or ended
    is_ending: bool
    is_overdue: bool
    next_payment: str = ""
    next_plan: Plan | None = None
    card: Card | None = None
    pay_url: str = ""  # where an overdue invoice is paid
    due: str = ""
    papers: tuple[Paper, ...] = ()


# A subscription that does not count, or not without trouble.
_TOLD: dict[str, Any] = {
    "past_due": gettext_lazy("The last payment for %(plan)s did not go through. It is tried again; you keep the plan."),
    "unpaid": gettext_lazy("%(plan)s rests: several payments did not go through. Pay what is open, and it goes on."),
    "paused": gettext_lazy("%(plan)s is paused: its trial is over and there is no card. Add one, and it goes on."),
    "incomplete": gettext_lazy("The first payment for %(plan)s is not finished. Your bank may need a while."),
    "incomplete_expired": gettext_lazy("The first payment for %(plan)s was never finished. Nothing was charged."),
    "canceled": gettext_lazy("%(plan)s has ended. Your styles and pictures are all still here."),
}
_ELSE = gettext_lazy("%(plan)s is in a state that only Stripe knows. The portal shows more.")


def bill_of(user: User) -> Bill:
    """What is so for one person, as far as it was settled."""
    entitlement = Entitlement.objects.filter(user=user).first() or Entitlement(user=user)
    plan = plans.PLANS.get(entitlement.plan, plans.FREE)
    is_living = bool(entitlement.subscription) and entitlement.status not in OVER | {"incomplete"}
    customer = StripeCustomer.objects.filter(user=user).first()
    facts: dict[str, Any] = _facts(customer.customer, entitlement) if customer else {}
    return Bill(
        plan=plan,
        entitlement=entitlement,
        say=told(entitlement, facts.get("next_plan")),
        is_living=is_living,
        is_ending=is_living and entitlement.ends_at is not None,
        is_overdue=(is_living and entitlement.overdue_since is not None) or "due" in facts,
        **facts,
    )


def told(now_is: Entitlement, next_plan: Plan | None = None) -> str:
    """The state of a subscription in a sentence or two, for each of Stripe's words."""
    plan = plans.PLANS.get(now_is.subscribed)
    if not now_is.status or plan is None:
        return _given(now_is) or _("You have no subscription. Credits come with packs, or each month with a plan.")
    values = {"plan": plan.name, "day": _day(now_is.ends_at or now_is.renews_at), "n": f"{plan.credits:,}"}
    values["next"] = next_plan.name if next_plan else ""
    if now_is.status in plans.PAID_STATUSES and now_is.status != "past_due":
        if now_is.ends_at is not None:
            say = _("%(plan)s is cancelled and ends on %(day)s. Until then everything stays as it is.")
        elif next_plan is not None:
            say = _("%(plan)s until %(day)s; then %(next)s begins.")
        elif now_is.status == "trialing":
            say = _("You are trying out %(plan)s until %(day)s. The first payment follows then.")
        else:
            say = _("%(plan)s renews on %(day)s and then adds %(n)s credits.")
        return say % values
    return str(_TOLD.get(now_is.status, _ELSE)) % values


def overdue(user: User) -> bool:
    """Whether a payment is open that was tried: the banner on every page."""
    return Entitlement.objects.filter(user=user, overdue_since__isnull=False).exclude(status__in=OVER).exists()


def _given(now_is: Entitlement) -> str:
    plan = plans.PLANS.get(now_is.given)
    return _("%(plan)s was given to you by the people who run this site.") % {"plan": plan.name} if plan else ""


def _day(moment: datetime | None) -> str:
    return date_format(moment, "j F Y") if moment else ""


# --- from the mirror ------------------------------------------------------------------------------------------


def _facts(customer: str, now_is: Entitlement) -> dict[str, Any]:
    from djstripe.models import Charge, Customer, Invoice, Subscription

    mine = Customer.objects.filter(id=customer).values_list("stripe_data", flat=True).first() or {}
    subscription = Subscription.objects.filter(id=now_is.subscription).values_list("stripe_data", flat=True).first()
    invoices = list(Invoice.objects.filter(customer=customer).values_list("stripe_data", flat=True)[:INVOICES])
    charges = Charge.objects.filter(customer=customer).order_by("-created").values_list("stripe_data", flat=True)
    is_open = now_is.overdue_since is not None or now_is.status == "incomplete"
    has_ended = now_is.status in ("canceled", "incomplete_expired")
    papers = [_paper(one, owed=not has_ended) for one in invoices]
    papers += [_receipt(one) for one in charges[:INVOICES] if (one.get("metadata") or {}).get(OFFER) and one["paid"]]
    open_one = unpaid_invoice(invoices) if is_open else None
    facts: dict[str, Any] = {
        "card": _card(subscription or {}, mine),
        "papers": tuple(sorted(papers, key=lambda one: one.at, reverse=True)[:INVOICES]),
    }
    if open_one is not None:
        facts["pay_url"] = open_one.get("hosted_invoice_url") or ""
        facts["due"] = money(open_one["amount_remaining"], open_one["currency"])
    if subscription and now_is.renews_at is not None:
        item = subscription["items"]["data"][0]
        following = _following(subscription)
        facts["next_plan"] = following
        cents = following.cents_a_month if following else item["price"].get("unit_amount") or 0
        facts["next_payment"] = money(cents, item["price"]["currency"])
    return facts


def _following(subscription: Found) -> Plan | None:
    """The smaller plan that begins with the next period, where one was chosen."""
    from djstripe.models import Price

    schedule = subscription.get("schedule")
    if not isinstance(schedule, dict) or schedule.get("status") != "active":
        return None
    end = (schedule.get("current_phase") or {}).get("end_date")
    for phase in schedule["phases"]:
        if end is not None and phase["start_date"] >= end:
            price = Price.objects.filter(id=id_of(phase["items"][0]["price"]))
            return plan_of_price(price.values_list("stripe_data", flat=True).first() or {})
    return None


def _card(subscription: Found, customer: Found) -> Card | None:
    """What the next payment is taken from: the subscription's own, else the customer's."""
    method = subscription.get("default_payment_method")
    if not isinstance(method, dict):
        method = (customer.get("invoice_settings") or {}).get("default_payment_method")
    card = method.get("card") if isinstance(method, dict) else None
    if not card:
        return None
    expires = f"{card['exp_month']:02d}/{card['exp_year'] % 100:02d}"
    return Card(brand=str(card["brand"]).title(), last4=card["last4"], expires=expires)


def _paper(invoice: Found, *, owed: bool) -> Paper:
    """`owed`: what is open is still asked for; of a plan that has ended it is not."""
    words = {
        "paid": _("paid"),
        "open": _("to be paid") if owed else _("not paid"),
        "uncollectible": _("not paid"),
        "void": _("void"),
    }
    # of a change of plan the first line is what is given back; the largest says what was bought
    largest: Found = max(invoice["lines"]["data"], key=lambda line: line["amount"], default={})
    at = when(invoice["created"])
    assert at is not None
    return Paper(
        number=invoice.get("number") or "",
        what=largest.get("description") or _("Invoice"),
        at=at,
        amount=money(invoice["total"], invoice["currency"]),
        state=words.get(invoice["status"], str(invoice["status"])),
        is_good=invoice["status"] in ("paid", "void"),
        page=invoice.get("hosted_invoice_url") or "",
        pdf=invoice.get("invoice_pdf") or "",
    )


def _receipt(charge: Found) -> Paper:
    """Of a pack, which has no invoice."""
    offer = plans.OFFERS.get(charge["metadata"][OFFER])
    at = when(charge["created"])
    assert at is not None
    back = charge.get("amount_refunded") or 0
    state = _("refunded") if back >= charge["amount"] else _("partly refunded") if back else _("paid")
    if charge.get("disputed"):
        state = _("disputed")
    return Paper(
        number=charge.get("receipt_number") or "",
        what=_("Pack of %(n)d credits") % {"n": offer.credits} if offer else _("Credits"),
        at=at,
        amount=money(charge["amount"], charge["currency"]),
        state=state,
        is_good=not charge.get("disputed"),
        page=charge.get("receipt_url") or "",
        pdf="",
    )
