"""Stripe's Checkout page: what is bought, a code, a card, and the button."""

from __future__ import annotations

from config.stack.stripe_double.double import Double
from config.stack.stripe_double.engine import checkout
from config.stack.stripe_double.engine.cards import card_numbered
from config.stack.stripe_double.errors import ApiError
from config.stack.stripe_double.expanding import session_lines
from config.stack.stripe_double.pages.html import Page, Request, amount, card_fields, esc, frame, goto, per, problem
from config.stack.stripe_double.store import Thing
from config.stack.stripe_double.world import World


def show(double: Double, request: Request, session_id: str) -> Page:
    with double.changing() as world:
        return _show(world, world.store.get("checkout.session", session_id))


def act(double: Double, request: Request, session_id: str) -> Page:
    """A button of the page was pressed."""
    with double.changing() as world:
        session = world.store.get("checkout.session", session_id)
        if session["status"] != "open":
            return _show(world, session)
        pressed = request.fields.get("do", "pay")
        if pressed == "back":
            return goto(session["cancel_url"] or session["success_url"])
        try:
            if pressed == "code":
                checkout.set_code(world, session, request.fields.get("code", ""))
                return goto(session["url"])
            return _pay(world, session, request.fields)
        except ApiError as refused:
            return _show(world, session, say=str(refused), fields=request.fields)


def _pay(world: World, session: Thing, fields: Thing) -> Page:
    buyer = checkout.Buyer(card_numbered(fields.get("card", "")), fields.get("email", ""), fields.get("name", ""))
    if "@" not in buyer.email:
        raise ApiError("Your email address is missing.")
    if buyer.card.asks:
        world.store.behind_of(session["id"])["asked"] = {
            "card": buyer.card.number,
            "email": buyer.email,
            "name": buyer.name,
        }
        return goto(f"{session['url']}/confirm")
    checkout.pay(world, session, buyer)
    return goto(return_url(session))


def confirm(double: Double, request: Request, session_id: str) -> Page:
    """The bank's page: it asks whether it is you."""
    with double.changing() as world:
        session = world.store.get("checkout.session", session_id)
        asked = world.store.behind_of(session_id).get("asked")
        if session["status"] != "open" or asked is None:
            return _show(world, session)
        if request.method == "GET":
            return frame("Confirm the payment", _CONFIRM)
        if request.fields.get("do") != "confirm":
            say = "We are unable to authenticate your payment method. Please choose a different one and try again."
            return _show(world, session, say=say, fields=asked)
        buyer = checkout.Buyer(card_numbered(asked["card"]), asked["email"], asked["name"], confirmed=True)
        try:
            checkout.pay(world, session, buyer)
        except ApiError as refused:
            return _show(world, session, say=str(refused), fields=asked)
        return goto(return_url(session))


_CONFIRM = """
<h1>Your bank asks</h1>
<section>
<p>Is it you who is paying? A real bank would show a code or ask its app (3-D Secure).</p>
<form method="post">
<button class="act" name="do" value="confirm">Yes, it is me</button>
<p><button name="do" value="refuse">No, stop</button></p>
</form>
</section>
"""


def return_url(session: Thing) -> str:
    """Where a paid session leads."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _show(world: World, session: Thing, *, say: str = "", fields: Thing | None = None) -> Page:
    if session["status"] == "complete":
        body = f'<h1>This is paid</h1><p><a class="button" href="{esc(return_url(session))}">Back to the site</a></p>'
        return frame("Paid", body)
    if session["status"] == "expired":
        back = session["cancel_url"] or session["success_url"]
        body = f'<h1>This page has expired</h1><p>Nothing was charged. <a href="{esc(back)}">Back to the site</a></p>'
        return frame("Expired", body)
    subscribes = session["mode"] == "subscription"
    title = "Subscribe" if subscribes else "Pay"
    body = f"""
<form method="post"><button name="do" value="back" formnovalidate>← Back</button></form>
<h1>{title}</h1>
{problem(say)}
<section aria-label="What you buy">{_sums(world, session)}{_code(world, session)}</section>
<section aria-label="How you pay">
<form method="post">
{_person(world, session, fields or {})}
{card_fields((fields or {}).get("card", "4242 4242 4242 4242"), debits=not subscribes)}
<button class="act" name="do" value="pay">{title} {amount(session["amount_total"], session["currency"])}</button>
</form>
{_trial(world, session)}
</section>
"""
    return frame(title, body)


def _sums(world: World, session: Thing) -> str:
    rows = []
    for line in session_lines(world, session):
        times = f" × {line['quantity']}" if line["quantity"] > 1 else ""
        said = f'{esc(line["description"])}{times}<br><span class="soft">{per(line["price"])}</span>'
        rows.append(_sum(said, line["amount_subtotal"], session["currency"]))
    details = session["total_details"]
    if details["amount_discount"]:
        rows.append(_sum("Discount", -details["amount_discount"], session["currency"]))
    if session["automatic_tax"]["enabled"]:
        percent = f"{world.settings.tax_percent:g} %"
        rows.append(_sum(f"Tax ({percent})", details["amount_tax"], session["currency"]))
    rows.append(_sum("Total today", session["amount_total"], session["currency"], kind=" total"))
    return "".join(rows)


def _sum(said: str, cents: int, currency: str, kind: str = "") -> str:
    return f'<p class="sum{kind}"><span>{said}</span><span>{amount(cents, currency)}</span></p>'


def _code(world: World, session: Thing) -> str:
    if not session["allow_promotion_codes"]:
        return ""
    used = [code["code"] for _, code in checkout.coupons_of(world, session) if code]
    if used:
        return (
            f'<form method="post"><p class="soft">Code <strong>{esc(used[0])}</strong> '
            '<input type="hidden" name="code" value=""><button name="do" value="code">Remove</button></p></form>'
        )
    return (
        '<form method="post"><label for="code">Promotion code</label><div class="row">'
        '<input id="code" name="code" autocomplete="off"><button name="do" value="code">Apply</button></div></form>'
    )


def _person(world: World, session: Thing, fields: Thing) -> str:
    known = world.store.find(session["customer"]) if session["customer"] else None
    email = fields.get("email") or session["customer_email"] or (known or {}).get("email") or ""
    name = fields.get("name") or (known or {}).get("name") or ""
    fixed = " readonly" if (known or {}).get("email") else ""
    return f"""
<label for="email">Email</label>
<input id="email" name="email" type="email" value="{esc(email)}" autocomplete="email" required{fixed}>
<label for="name">Name on the card</label>
<input id="name" name="name" value="{esc(name)}" autocomplete="cc-name">
"""


def _trial(world: World, session: Thing) -> str:
    days = world.store.behind_of(session["id"]).get("trial_days")
    return f'<p class="soft">{days} days for nothing; then the price above.</p>' if days else ""
