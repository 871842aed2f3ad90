"""The billing portal, the page of an invoice, its PDF, and a receipt."""

from __future__ import annotations

from config.stack.stripe_double.double import Double
from config.stack.stripe_double.engine import portal, subscriptions
from config.stack.stripe_double.engine.cards import card_numbered
from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.pages.html import (
    Page,
    Request,
    amount,
    button,
    card_fields,
    day,
    esc,
    frame,
    goto,
    per,
    problem,
)
from config.stack.stripe_double.pages.pdf import pdf
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World

_GOOD = {
    "paid": "good",
    "active": "good",
    "trialing": "good",
    "succeeded": "good",
    "open": "warn",
    "pending": "warn",
    "past_due": "bad",
    "unpaid": "bad",
    "failed": "bad",
}


def show(double: Double, request: Request, session_id: str) -> Page:
    with double.changing() as world:
        return _show(world, world.store.get("billing_portal.session", session_id))


def act(double: Double, request: Request, session_id: str) -> Page:
    with double.changing() as world:
        session = world.store.get("billing_portal.session", session_id)
        try:
            _do(world, session, request.fields)
        except ApiError as refused:
            return _show(world, session, say=str(refused))
        flow = session["flow"]
        if flow is not None and flow["after_completion"]["type"] == "redirect":
            return goto(flow["after_completion"]["redirect"]["return_url"])
        return goto(session["url"])


def _do(world: World, session: Thing, fields: Thing) -> None:
    customer = world.store.get("customer", session["customer"])
    pressed = fields.get("do", "")
    if pressed == "card":
        portal.use_card(world, customer, card_numbered(fields.get("card", "")))
        return
    subscription = world.store.get("subscription", fields.get("subscription", ""))
    if subscription["customer"] != customer["id"]:
        raise ApiError("This is not your subscription.")
    if pressed == "cancel":
        portal.cancel(world, subscription)
    elif pressed == "keep":
        portal.keep(world, subscription)
    elif pressed == "switch":
        configuration = world.store.get("billing_portal.configuration", session["configuration"])
        price = world.store.get("price", fields.get("price", ""))
        if price not in portal.offers(world, configuration):
            raise ApiError("This plan is not on offer here.")
        prorate = configuration["features"]["subscription_update"]["proration_behavior"]
        portal.switch(world, subscription, price, prorate=prorate)


def _show(world: World, session: Thing, *, say: str = "") -> Page:
    customer = world.store.get("customer", session["customer"])
    configuration = world.store.get("billing_portal.configuration", session["configuration"])
    features = configuration["features"]
    only_card = session["flow"] is not None and session["flow"]["type"] == "payment_method_update"
    back = session["return_url"] or configuration["default_return_url"]
    parts = [f'<p><a class="button" href="{esc(back)}">← Back to the site</a></p>' if back else ""]
    parts.append(f"<h1>Your billing</h1><p class='soft'>{esc(customer['email'] or customer['id'])}</p>{problem(say)}")
    if not only_card:
        parts += [_subscription(world, one, session, features) for one in portal.living(world, customer["id"])]
    if features["payment_method_update"]["enabled"]:
        parts.append(_card(world, customer))
    if features["invoice_history"]["enabled"] and not only_card:
        parts.append(_invoices(world, customer))
    return frame("Billing", "".join(parts))


def state(word: str) -> str:
    return f'<span class="state {_GOOD.get(word, "")}">{esc(word.replace("_", " "))}</span>'


def _subscription(world: World, subscription: Thing, session: Thing, features: Thing) -> str:
    item = subscriptions.items_of(subscription)[0]
    price = world.store.get("price", item["price"])
    name = world.store.get("product", price["product"])["name"]
    ends = subscription["cancel_at"]
    when = f"Ends on {day(ends)}" if ends else f"Renews on {day(item['current_period_end'])}"
    if ends:
        action = button("Keep the plan", session["url"], do="keep", subscription=subscription["id"])
    elif features["subscription_cancel"]["enabled"]:
        action = button("Cancel the plan", session["url"], kind="bad", do="cancel", subscription=subscription["id"])
    else:
        action = ""
    switch = ""
    if features["subscription_update"]["enabled"] and not ends:
        configuration = world.store.get("billing_portal.configuration", session["configuration"])
        others = [one for one in portal.offers(world, configuration) if one["id"] != price["id"]]
        options = "".join(f'<option value="{esc(o["id"])}">{_named(world, o)}</option>' for o in others)
        if options:
            switch = (
                f'<form method="post"><input type="hidden" name="subscription" value="{esc(subscription["id"])}">'
                f'<label for="price">Another plan</label><select id="price" name="price">{options}</select>'
                '<p><button name="do" value="switch">Switch now</button></p></form>'
            )
    return (
        f"<section><h2>{esc(name)} {state(subscription['status'])}</h2><p>{per(price)}<br>"
        f'<span class="soft">{when}</span></p>{action}{switch}</section>'
    )


def _named(world: World, price: Thing) -> str:
    return f"{esc(world.store.get('product', price['product'])['name'])}: {per(price)}"


def _card(world: World, customer: Thing) -> str:
    default = customer["invoice_settings"]["default_payment_method"]
    for subscription in portal.living(world, customer["id"]):
        default = subscription["default_payment_method"] or default
    method = world.store.find(default) if default else None
    shown = f"{method['card']['brand'].capitalize()} ending in {method['card']['last4']}" if method else "None yet."
    return (
        f"<section><h2>Payment method</h2><p>{esc(shown)}</p><details><summary>Use another card</summary>"
        f'<form method="post">{card_fields()}<button class="act" name="do" value="card">Use this card</button></form>'
        "</details></section>"
    )


def _invoices(world: World, customer: Thing) -> str:
    rows = ""
    for invoice in list(world.store.all("invoice", customer=customer["id"]))[::-1]:
        if invoice["status"] == "draft":
            continue
        rows += (
            f'<tr><td><a href="{esc(invoice["hosted_invoice_url"])}">{esc(invoice["number"])}</a></td>'
            f"<td>{day(invoice['created'])}</td><td>{state(invoice['status'])}</td>"
            f'<td class="right">{amount(invoice["total"], invoice["currency"])}</td></tr>'
        )
    table = f'<div class="scroll"><table>{rows}</table></div>' if rows else '<p class="soft">None yet.</p>'
    return f"<section><h2>Invoices</h2>{table}</section>"


def show_invoice(double: Double, request: Request, account: str, invoice_id: str) -> Page:
    with double.changing() as world:
        return _invoice(world, world.store.get("invoice", invoice_id))


def pay_invoice(double: Double, request: Request, account: str, invoice_id: str) -> Page:
    with double.changing() as world:
        invoice = world.store.get("invoice", invoice_id)
        if invoice["status"] != "open":
            return _invoice(world, invoice)
        try:
            portal.use_card(
                world, world.store.get("customer", invoice["customer"]), card_numbered(request.fields.get("card", ""))
            )
            if invoice["status"] == "open":
                subscriptions.collect_and_follow(world, invoice, present=True)
        except ApiError as refused:
            return _invoice(world, invoice, say=str(refused))
        return goto(invoice["hosted_invoice_url"])


def _lines(invoice: Thing) -> list[tuple[str, int]]:
    lines = [(line["description"], line["amount"]) for line in invoice["lines"]["data"]]
    lines += [("Discount", -one["amount"]) for one in invoice["total_discount_amounts"]]
    lines += [("Tax", one["amount"]) for one in invoice["total_taxes"]]
    if invoice["total"] != invoice["amount_due"]:
        lines.append(("To your credit", invoice["amount_due"] - invoice["total"]))
    return lines


def _invoice(world: World, invoice: Thing, *, say: str = "") -> Page:
    rows = "".join(
        f'<p class="sum"><span>{esc(said)}</span><span>{amount(cents, invoice["currency"])}</span></p>'
        for said, cents in _lines(invoice)
    )
    due = amount(invoice["amount_due"], invoice["currency"])
    form = ""
    if invoice["status"] == "open":
        form = f'<section><form method="post">{card_fields()}<button class="act">Pay {due}</button></form></section>'
    file = f'<p><a href="{esc(invoice["invoice_pdf"])}">As a PDF</a></p>' if invoice["invoice_pdf"] else ""
    body = f"""
<h1>Invoice {esc(invoice["number"] or "(draft)")} {state(invoice["status"])}</h1>{problem(say)}
<section><p class="soft">{esc(invoice["customer_email"] or "")} · {day(invoice["created"])}</p>
{rows}<p class="sum total"><span>To pay</span><span>{due}</span></p>{file}</section>{form}
"""
    return frame(f"Invoice {invoice['number']}", body)


def invoice_file(double: Double, request: Request, account: str, invoice_id: str) -> Page:
    with double.changing() as world:
        invoice = world.store.get("invoice", invoice_id)
        lines = [
            f"Invoice {invoice['number']} ({invoice['status']})",
            "Made by a double of Stripe: no money moved.",
            f"{invoice['customer_email'] or ''}  {day(invoice['created'])}",
            "",
            *(f"{said}    {cents / 100:.2f}" for said, cents in _lines(invoice)),
            "",
            f"To pay    {invoice['amount_due'] / 100:.2f} {invoice['currency'].upper()}",
        ]
        return Page(kind="application/pdf", raw=pdf(lines))


def show_receipt(double: Double, request: Request, charge_id: str) -> Page:
    with double.changing() as world:
        charge = world.store.get("charge", charge_id)
        paid = amount(charge["amount"], charge["currency"])
        back = amount(charge["amount_refunded"], charge["currency"])
        refunded = f"<p class='sum'><span>Given back</span><span>{back}</span></p>" if charge["amount_refunded"] else ""
        body = (
            f"<h1>Receipt</h1><section><p class='sum total'><span>{day(charge['created'])}</span>"
            f"<span>{paid}</span></p>{refunded}<p>{state(charge['status'])}</p></section>"
        )
        return frame("Receipt", body)
