"""What credits came with the money and went with it: a pure function of what Stripe says.

- An invoice of a subscription is paid: for each of its lines the plan's credits × amount ÷ price, so that a change of
  plan brings the difference. Key `invoice:in_…`.
- A Checkout session for a pack is paid: the credits of the pack as it was offered. Key `session:cs_…`.
- A refund takes credits × refunded ÷ paid, rounded up: all money back leaves no credit behind. Key `refund:re_…`.
- A dispute takes the same when it is opened; they are withheld until it is decided, and gone if it is lost. Key
  `dispute:dp_…`.
- A refund that failed and a dispute that was won give back what they took. The same keys with `:undone`.
- What comes back so is taken by a refund or dispute of the same payment that still stands and found too little left.
  Its key with `:after:` and the key of what was undone.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import ceil, floor

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.notifications import Facts
from billing.catalogue import Plan
from billing.payments.client import Found, id_of
from billing.payments.entitling import OFFER, plan_of_price, when
from billing.payments.fetching import Affairs, price_of_line

CREDITS = "credits"  # the metadata's field of a session: what was offered when it was opened
PAID = frozenset({"paid", "no_payment_required"})
SENT_BACK = frozenset({"succeeded", "pending", "requires_action"})  # a refund that neither failed nor was cancelled
WITHHELD = frozenset({"needs_response", "under_review", "lost"})  # an inquiry (`warning_…`) takes no money yet


@dataclass(frozen=True)
class Incoming:
    """Money that came in. `rollover` is set where a new month begins; `payments` are the payment intents behind it."""

    source_ref: str
    amount: int
    say: str
    title: str
    body: str
    facts: Facts  # of the receipt
    payments: frozenset[str]
    expires_at: datetime | None = None
    rollover: int | None = None


@dataclass(frozen=True)
class Returned:
    """Money that went back, or is withheld. `undone`: it stays, or is back again."""

    source_ref: str
    key: str
    share: Fraction  # of what was paid
    say: str
    undone: bool
    undone_say: str
    disputed: str = ""  # the sum, if a bank asks for it

    def of(self, credits: int) -> int:
        """How many of the credits that came with it go."""
        return min(credits, ceil(credits * self.share))


def incoming(affairs: Affairs) -> list[Incoming]:
    """Everything paid that brings credits, in the order in which it was asked for."""
    found = [(one["created"], one["id"], _of_session(one)) for one in affairs.sessions]
    found += _of_invoices(affairs)
    return [one for *_order, one in sorted(found, key=lambda each: each[:2]) if one is not None]


def returned(affairs: Affairs, came: Iterable[Incoming]) -> list[Returned]:
    """Every refund and dispute of what came in."""
    by_payment = {payment: one for one in came for payment in one.payments}
    charges = {
        charge["id"]: (charge, one)
        for charge in affairs.charges
        if (one := by_payment.get(id_of(charge.get("payment_intent")) or charge["id"])) is not None
    }
    backs = [refund for charge, _one in charges.values() for refund in (charge.get("refunds") or {}).get("data", [])]
    found = []
    for back in sorted(backs + affairs.disputes, key=lambda each: (each["created"], each["id"])):
        if id_of(back["charge"]) in charges:
            charge, one = charges[id_of(back["charge"])]
            told = _of_dispute if back["object"] == "dispute" else _of_refund
            found.append(told(back, charge, one))
    return found


# --- money in -------------------------------------------------------------------------------------------------


def _of_invoices(affairs: Affairs) -> Iterator[tuple[int, str, Incoming]]:
    """A smaller plan in mid-period, as Stripe's portal can do it, moves money into the balance and leaves the credits.
    What that money pays afterwards does not bring them a second time."""
    kept = 0
    for invoice in sorted(affairs.invoices, key=lambda one: (one["created"], one["id"])):
        if invoice["status"] != "paid":
            continue
        lines = list(_plan_lines(invoice, affairs.prices))
        amount = floor(sum((share for _plan, share, _line in lines), Fraction()) + Fraction(1, 2))
        had = min(kept, ceil(amount * _from_balance(invoice))) if amount > 0 else amount
        kept -= had
        if amount > had:
            yield invoice["created"], invoice["id"], _of_invoice(invoice, lines, amount - had)


def _from_balance(invoice: Found) -> Fraction:
    """How much of it was paid by money that stood in the customer's balance, which is negative then."""
    used = (invoice.get("ending_balance") or 0) - (invoice.get("starting_balance") or 0)
    return min(Fraction(1), Fraction(used, invoice["total"])) if used > 0 and invoice["total"] > 0 else Fraction()


def _of_invoice(invoice: Found, lines: list[tuple[Plan, Fraction, Found]], amount: int) -> Incoming:
    plan, _share, line = max(lines, key=lambda each: each[1])
    begins, ends = when(line["period"]["start"]), when(line["period"]["end"])
    assert begins is not None
    assert ends is not None
    is_month = any(not _is_proration(each) for _plan, _share, each in lines)
    paid_at = when((invoice.get("status_transitions") or {}).get("paid_at")) or ends
    day = max(begins.day, ends.day) if is_month else 0
    is_late = paid_at > ends  # whoever pays long afterwards has the month from then on, beside the months they are in
    expires_at = a_month_after(paid_at) if is_late else a_month_after(ends, day=day)
    values = {
        "plan": plan.name,
        "from": date_format(begins, "j F" if begins.year == ends.year else "j F Y"),
        "to": date_format(ends, "j F Y"),
        "n": f"{amount:,}",
    }
    say = _("%(plan)s, %(from)s to %(to)s") if is_month else _("Change to %(plan)s, until %(to)s")
    return Incoming(
        source_ref=f"invoice:{invoice['id']}",
        amount=amount,
        say=say % values,
        title=_("%(plan)s: %(n)s credits") % values,
        body=_("They are in your account, and last until %(day)s.") % {"day": date_format(expires_at, "j F Y")},
        facts=(
            (_("Invoice"), invoice.get("number") or invoice["id"]),
            (_("For"), say % values),
            (_("Credits"), f"{amount:,}"),
            (_("Paid"), money(invoice["amount_paid"], invoice["currency"])),
        ),
        payments=_payments_of(invoice),
        expires_at=expires_at,
        rollover=plan.rollover if is_month and not is_late else None,
    )


def _plan_lines(invoice: Found, prices: dict[str, Found]) -> Iterator[tuple[Plan, Fraction, Found]]:
    for line in invoice["lines"]["data"]:
        price = prices.get(price_of_line(line)) or {}
        plan = plan_of_price(price)
        if plan is not None and price.get("unit_amount"):
            # discounts and taxes stand beside a line's amount: they change what is paid, not what is had
            yield plan, plan.credits * Fraction(line["amount"], price["unit_amount"]), line


def _is_proration(line: Found) -> bool:
    parent = line.get("parent") or {}
    kinds = ("subscription_item_details", "invoice_item_details")
    return any((parent.get(kind) or {}).get("proration") for kind in kinds)


def _payments_of(invoice: Found) -> frozenset[str]:
    payments = [each["payment"] for each in (invoice.get("payments") or {}).get("data", [])]
    return frozenset(id_of(each.get("payment_intent") or each.get("charge")) for each in payments) - {""}


def _of_session(session: Found) -> Incoming | None:
    about = session.get("metadata") or {}
    told = str(about.get(CREDITS) or "")
    amount = int(told) if told.isascii() and told.isdigit() else 0
    if session["mode"] != "payment" or session["payment_status"] not in PAID or not amount or OFFER not in about:
        return None
    return Incoming(
        source_ref=f"session:{session['id']}",
        amount=amount,
        say=_("Pack of %(n)d") % {"n": amount},
        title=_("Pack of %(n)d credits") % {"n": amount},
        body=_("They are in your account, and do not expire."),
        facts=(
            (_("For"), _("Pack of %(n)d credits") % {"n": amount}),
            (_("Paid"), money(session["amount_total"], session["currency"])),
        ),
        payments=frozenset({id_of(session.get("payment_intent"))}) - {""},
    )


def a_month_after(end: datetime, *, day: int = 0) -> datetime:
    """Monthly credits last until the period after theirs is over. The 31st becomes the month's last day; `day` is the
    one of the subscription where `end` fell on such a day."""
    year, month = (end.year + 1, 1) if end.month == 12 else (end.year, end.month + 1)
    return end.replace(year=year, month=month, day=min(day or end.day, monthrange(year, month)[1]))


def money(cents: int, currency: str) -> str:
    """`$9.99`, with its cents also where there are none, as on a receipt; another currency by its code."""
    return f"${cents / 100:,.2f}" if currency == "usd" else f"{cents / 100:,.2f} {currency.upper()}"


# --- money back -----------------------------------------------------------------------------------------------


def _of_refund(refund: Found, charge: Found, one: Incoming) -> Returned:
    return Returned(
        source_ref=one.source_ref,
        key=f"refund:{refund['id']}",
        share=Fraction(refund["amount"], charge["amount"]),
        say=_("Refunded: %(what)s") % {"what": one.say},
        undone=refund["status"] not in SENT_BACK,
        undone_say=_("The refund did not go through: %(what)s") % {"what": one.say},
    )


def _of_dispute(dispute: Found, charge: Found, one: Incoming) -> Returned:
    return Returned(
        source_ref=one.source_ref,
        key=f"dispute:{dispute['id']}",
        share=Fraction(dispute["amount"], charge["amount"]),
        say=_("The payment is disputed: %(what)s") % {"what": one.say},
        undone=dispute["status"] not in WITHHELD,
        undone_say=_("The dispute is settled: %(what)s") % {"what": one.say},
        disputed=money(dispute["amount"], dispute["currency"]),
    )
